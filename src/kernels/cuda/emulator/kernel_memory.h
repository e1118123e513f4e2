// The shared memory of dev.h for a C++ compiler. Included by kernel_side.h only.
#pragma once

#include <cstdint>

#include "kernels/cuda/emulator/primitives.h"

namespace instructblip::kernels::dev {

using emulator::Site;

// A value that is read when it is used, not before.
template <class T>
class Late {
 public:
  Late() = default;
  Late(std::uint32_t address, Site where) : address_(address), where_(where) {}
  T get() const {
    T value;
    emulator::read_shared(address_, sizeof(T), &value, true, where_);
    return value;
  }

 private:
  std::uint32_t address_ = 0;
  Site where_;
};

template <class T>
class Shared {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16,
                "shared memory is read and written by 2, 4, 8 or 16 bytes");

 public:
  Shared() = default;
  explicit Shared(std::uint32_t address) : address_(address) {}
  std::uint32_t address() const { return address_; }
  Shared operator+(std::uint32_t count) const { return Shared(address_ + count * sizeof(T)); }
  template <class U>
  Shared<U> as(std::uint32_t byte_offset = 0) const {
    return Shared<U>(address_ + byte_offset);
  }

  T load(std::uint32_t i = 0, Site where = Site::current()) const {
    T value;
    emulator::read_shared(address_ + i * sizeof(T), sizeof(T), &value, false, where);
    return value;
  }
  Late<T> load_late(std::uint32_t i = 0, Site where = Site::current()) const {
    return Late<T>(address_ + i * static_cast<std::uint32_t>(sizeof(T)), where);
  }
  void store(std::uint32_t i, T value, Site where = Site::current()) const {
    emulator::write_shared(address_ + i * static_cast<std::uint32_t>(sizeof(T)), sizeof(T), &value,
                           where);
  }

 private:
  std::uint32_t address_ = 0;
};

// The dynamic shared memory of the block, aligned to 128 bytes.
template <class T>
inline Shared<T> shared_memory() {
  return Shared<T>(0);
}

}  // namespace instructblip::kernels::dev
