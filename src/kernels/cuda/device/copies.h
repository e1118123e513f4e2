// The names of dev.h for nvcc: shared and global memory, copies between them. Included by dev.h
// only.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/types.h"

namespace instructblip::kernels::dev {

// In a register as soon as it is used.
template <class T>
class Late {
 public:
  Late() = default;
  __device__ __forceinline__ explicit Late(T value) : value_(value) {}
  __device__ __forceinline__ T get() const { return value_; }

 private:
  T value_;
};

// By ld.shared and st.shared: a pointer out of a struct would become a generic one.
template <class T>
class Shared {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16,
                "shared memory is read and written by 2, 4, 8 or 16 bytes");

 public:
  Shared() = default;
  __device__ __forceinline__ explicit Shared(std::uint32_t address) : address_(address) {}
  __device__ __forceinline__ std::uint32_t address() const { return address_; }
  __device__ __forceinline__ Shared operator+(std::uint32_t count) const {
    return Shared(address_ + count * static_cast<std::uint32_t>(sizeof(T)));
  }
  template <class U>
  __device__ __forceinline__ Shared<U> as(std::uint32_t byte_offset = 0) const {
    return Shared<U>(address_ + byte_offset);
  }

  __device__ __forceinline__ T load(std::uint32_t i = 0) const {
    const std::uint32_t at = address_ + i * static_cast<std::uint32_t>(sizeof(T));
    union {
      T value;
      std::uint16_t half;
      std::uint32_t words[4];
    } u;
    if constexpr (sizeof(T) == 2) {
      asm volatile("ld.shared.u16 %0, [%1];" : "=h"(u.half) : "r"(at) : "memory");
    } else if constexpr (sizeof(T) == 4) {
      asm volatile("ld.shared.u32 %0, [%1];" : "=r"(u.words[0]) : "r"(at) : "memory");
    } else if constexpr (sizeof(T) == 8) {
      asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                   : "=r"(u.words[0]), "=r"(u.words[1])
                   : "r"(at)
                   : "memory");
    } else {
      asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(u.words[0]), "=r"(u.words[1]), "=r"(u.words[2]), "=r"(u.words[3])
                   : "r"(at)
                   : "memory");
    }
    return u.value;
  }
  __device__ __forceinline__ Late<T> load_late(std::uint32_t i = 0) const {
    return Late<T>(load(i));
  }
  __device__ __forceinline__ void store(std::uint32_t i, T value) const {
    const std::uint32_t at = address_ + i * static_cast<std::uint32_t>(sizeof(T));
    union {
      T value;
      std::uint16_t half;
      std::uint32_t words[4];
    } u;
    u.value = value;
    if constexpr (sizeof(T) == 2) {
      asm volatile("st.shared.u16 [%0], %1;" ::"r"(at), "h"(u.half) : "memory");
    } else if constexpr (sizeof(T) == 4) {
      asm volatile("st.shared.u32 [%0], %1;" ::"r"(at), "r"(u.words[0]) : "memory");
    } else if constexpr (sizeof(T) == 8) {
      asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(at), "r"(u.words[0]), "r"(u.words[1])
                   : "memory");
    } else {
      asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(u.words[0]),
                   "r"(u.words[1]), "r"(u.words[2]), "r"(u.words[3])
                   : "memory");
    }
  }

 private:
  std::uint32_t address_;
};

template <class T>
__device__ __forceinline__ Shared<T> shared_memory() {
  extern __shared__ __align__(128) unsigned char instructblip_shared[];
  return Shared<T>(static_cast<std::uint32_t>(__cvta_generic_to_shared(instructblip_shared)));
}

// 16 bytes past the L1 cache, or zeros.
template <class P>
__device__ __forceinline__ void copy_async(Shared<P> to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.address()),
               "l"(__cvta_generic_to_global(from)), "r"(valid ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kOpen>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kOpen) : "memory");
}

// Explicitly global: the compiler takes a pointer that came out of memory for a generic one.
template <class T>
__device__ __forceinline__ T load_global(const void* from) {
  static_assert(sizeof(T) == 16);
  union {
    T value;
    std::uint32_t words[4];
  } u;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(u.words[0]), "=r"(u.words[1]), "=r"(u.words[2]), "=r"(u.words[3])
               : "l"(__cvta_generic_to_global(from))
               : "memory");
  return u.value;
}
// What no other block will read: weights.
template <class T>
__device__ __forceinline__ T load_once(const void* from) {
  static_assert(sizeof(T) == 16);
  union {
    T value;
    std::uint32_t words[4];
  } u;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(u.words[0]), "=r"(u.words[1]), "=r"(u.words[2]), "=r"(u.words[3])
               : "l"(__cvta_generic_to_global(from)));
  return u.value;
}
// What another block of the launch may have written.
template <class T>
__device__ __forceinline__ T load_coherent(const T* from) {
  return __ldcg(from);
}
template <class T>
__device__ __forceinline__ void store_global(void* to, T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 16);
  union {
    T value;
    std::uint32_t words[4];
  } u;
  u.value = value;
  if constexpr (sizeof(T) == 4) {
    asm volatile("st.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(to)), "r"(u.words[0])
                 : "memory");
  } else {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)),
                 "r"(u.words[0]), "r"(u.words[1]), "r"(u.words[2]), "r"(u.words[3])
                 : "memory");
  }
}
__device__ __forceinline__ unsigned add_global(unsigned* to, unsigned value) {
  return atomicAdd(to, value);
}
__device__ __forceinline__ void fence_global() { __threadfence(); }

}  // namespace instructblip::kernels::dev
