#include "writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace media {

namespace {

constexpr std::int64_t header_size = 44;
constexpr std::int64_t frame_size = 4;  // two channels of 16 bits
constexpr int round_ms = 900;

// The canonical header of a stereo 8 kHz 16-bit WAV file that holds `frames`.
std::array<char, header_size> wav_header(std::int64_t frames) {
    const auto data = static_cast<std::uint32_t>(std::min<std::int64_t>(frames * frame_size, 0xFFFFFF00));
    struct {
        char riff[4] = {'R', 'I', 'F', 'F'};
        std::uint32_t riff_size;
        char wave[8] = {'W', 'A', 'V', 'E', 'f', 'm', 't', ' '};
        std::uint32_t format_size = 16;
        std::uint16_t format = 1, channels = 2;
        std::uint32_t rate = 8000, bytes_per_second = 32000;
        std::uint16_t block = 4, bits = 16;
        char tag[4] = {'d', 'a', 't', 'a'};
        std::uint32_t data_size;
    } const header{.riff_size = data + 36, .data_size = data};
    static_assert(sizeof header == header_size);
    std::array<char, header_size> bytes;
    std::memcpy(bytes.data(), &header, header_size);
    return bytes;
}

// All of it or an error number.
int write_at(int file, const void* bytes, std::int64_t size, std::int64_t at) {
    const char* from = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t written = pwrite(file, from, static_cast<std::size_t>(size), at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written == 0 ? ENOSPC : errno;
        from += written;
        at += written;
        size -= written;
    }
    return 0;
}

}  // namespace

Descriptor create_recording(const char* path) {
    Descriptor file = create_file(path);
    const auto header = wav_header(0);
    if (const int error = write_at(file.get(), header.data(), header_size, 0))
        throw std::system_error(error, std::system_category(), path);
    return file;
}

void Writer::start() { thread_ = std::thread(&Writer::run, this); }

void Writer::stop() {
    if (!stopping_.exchange(true)) hurry();
    if (thread_.joinable()) thread_.join();
    round();
    wake_ = Descriptor();
}

void Writer::run() {
    pthread_setname_np(pthread_self(), "media writer");
    while (!stopping_.load()) {
        pollfd waiting{wake_.get(), POLLIN, 0};
        poll(&waiting, 1, round_ms);
        clear(wake_.get());
        round();
    }
}

void Writer::round() {
    for (Parcel* parcel = inbox_.take_all(); parcel != nullptr;) {
        auto* recorder = static_cast<Recorder*>(std::exchange(parcel, parcel->next_parcel));
        recorder->next_written = std::exchange(recorders_, recorder);
    }
    for (Recorder** at = &recorders_; *at != nullptr;) {
        Recorder& recorder = **at;
        const bool finished = recorder.finished.load(std::memory_order_acquire);
        write_waiting(recorder);
        if (!finished) {
            at = &recorder.next_written;
            continue;
        }
        *at = recorder.next_written;
        ::close(recorder.file);
        const std::int64_t unwritten = std::min(recorder.waiting(), Recorder::size);
        const std::int64_t missing = recorder.missing.load(std::memory_order_relaxed) + unwritten;
        post_({Event::Type::recorder_closed, recorder.left.id, recorder.frames_written, {}, missing});
        closed_.post(&recorder);
    }
}

// What cannot be written stays in the ring and is tried again; what then finds no room there is left out and reads as
// silence, so that both channels stay aligned.
void Writer::write_waiting(Recorder& recorder) {
    while (const std::int64_t frames = std::min(recorder.waiting(), Recorder::size)) {
        scratch_.resize(2 * static_cast<std::size_t>(frames));
        recorder.read(scratch_);
        const std::int64_t end = recorder.taken() + frames;
        int error = write_at(recorder.file, scratch_.data(), frames * frame_size, header_size + recorder.taken() * frame_size);
        // Samples first, then the sizes: whoever reads in between finds a whole, slightly shorter file.
        if (error == 0) error = write_at(recorder.file, wav_header(end).data(), header_size, 0);
        if (error != 0) return trouble(recorder, error);
        recorder.frames_written = end;
        recorder.release(frames);
    }
    const std::int64_t missing = recorder.missing.load(std::memory_order_relaxed);
    if (missing > std::exchange(recorder.missing_told, missing)) trouble(recorder, 0);  // it is over already
    if (recorder.troubled.exchange(false, std::memory_order_acquire))
        post_({Event::Type::resumed, recorder.left.id, 0, {}, missing});
}

void Writer::trouble(Recorder& recorder, int error) {
    if (recorder.troubled.load(std::memory_order_acquire)) return;
    post_({Event::Type::trouble, recorder.left.id, error});
    recorder.troubled.store(true, std::memory_order_release);
}

}  // namespace media
