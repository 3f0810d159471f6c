// What the files of the Python module share.
#pragma once
#include <nanobind/nanobind.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "samples.hpp"

namespace media {

namespace nb = nanobind;

inline std::size_t sample_count(std::size_t bytes) {
    if (bytes % sizeof(Sample) != 0)
        throw std::invalid_argument("16-bit PCM needs an even number of bytes, not " + std::to_string(bytes));
    return bytes / sizeof(Sample);
}

inline std::vector<Sample> samples_of(const nb::bytes& pcm) {
    std::vector<Sample> samples(sample_count(pcm.size()));
    std::memcpy(samples.data(), pcm.c_str(), pcm.size());
    return samples;
}

template <typename Range>
nb::bytes bytes_of(const Range& range, std::size_t count) {
    return nb::bytes(reinterpret_cast<const char*>(range.data()), count * sizeof(range[0]));
}

inline std::vector<std::uint8_t> octets_of(const nb::bytes& bytes) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.c_str());
    return {first, first + bytes.size()};
}

// Pieces of the core that the reference engine and tests use by themselves.
void bind_parts(nb::module_& module);

}  // namespace media
