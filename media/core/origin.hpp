// Where a far end is, and where its packets may come from.
#pragma once
#include "address.hpp"
#include "samples.hpp"

namespace media {

// Where a leg's packets may come from. The signalled address always wins inside the window; one other source is
// followed there (NAT); afterwards nothing changes until the far side is signalled anew.
class Origin {
  public:
    // Returns whether it is open anew where packets come from. A far end that is named once more and has not been heard yet
    // may begin to speak only now: it was described before the call was answered.
    bool signal(Address address, Nanos now) {
        if (address == signalled() && (locked_ || learned_)) return false;
        signalled_.set(address);
        remote_.set(address);
        since_ = now;
        locked_ = learned_ = false;
        ++moves_;
        return true;
    }

    bool known() const { return remote().port != 0; }
    // Nobody else will be followed until the far side is signalled anew.
    bool settled(Nanos now) const { return known() && (locked_ || now - since_ > window); }
    Address remote() const { return remote_.get(); }
    Address signalled() const { return signalled_.get(); }
    Nanos since() const { return since_; }
    int moves() const { return moves_; }  // how often it has changed where packets come from

    bool admit(Address from, Nanos now) {
        if (!known()) return false;
        if (from == remote()) {
            if (from == signalled()) locked_ = true;
            return true;
        }
        if (locked_ || now - since_ > window) return false;
        if (from != signalled() && learned_) return false;
        remote_.set(from);
        ++moves_;
        locked_ = from == signalled();
        learned_ = true;
        return true;
    }

  private:
    static constexpr Nanos window = 2'000 * millisecond;

    SharedAddress signalled_, remote_;
    Nanos since_ = 0;
    int moves_ = 0;
    bool locked_ = false, learned_ = false;
};

}  // namespace media
