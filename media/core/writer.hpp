// The thread that writes recordings: the only place of the media core that touches files.
#pragma once
#include <atomic>
#include <functional>
#include <thread>

#include "recorder.hpp"
#include "sockets.hpp"
#include "switch.hpp"

namespace media {

// A new, empty stereo WAV file. Throws std::system_error.
Descriptor create_recording(const char* path);

class Writer {
  public:
    using Post = std::function<void(const Event&)>;

    Writer(Post post, Mailbox& closed) : post_(std::move(post)), closed_(closed), wake_(open_eventfd()) {}
    ~Writer() { stop(); }

    void start();
    // Write everything that waits, then end the thread. Every recorder must have been finished before.
    void stop();

    // Any thread: this recorder is the writer's to look after, from the next round until it is finished.
    void add(Recorder& recorder) { inbox_.post(&recorder); }
    // The media thread: something is finished; do not wait for the next round.
    void hurry() { signal(wake_.get()); }

  private:
    void run();
    void round();
    void write_waiting(Recorder& recorder);
    void trouble(Recorder& recorder, int error);

    Post post_;
    Mailbox& closed_;
    Mailbox inbox_;
    Descriptor wake_;
    Recorder* recorders_ = nullptr;
    std::vector<Sample> scratch_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace media
