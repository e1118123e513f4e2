// The names of dev.h for nvcc: bulk copies, the barriers that count them, and launches that
// overlap, all of which begin with sm_90. Included by dev.h only.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/device/copies.h"

namespace instructblip::kernels::dev {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define INSTRUCTBLIP_SM_90(...) __trap()
#else
#define INSTRUCTBLIP_SM_90(...) __VA_ARGS__
#endif

using Mbarrier = Shared<Words2>;
__device__ __forceinline__ void init_mbarrier(Mbarrier barrier, unsigned count) {
  INSTRUCTBLIP_SM_90(
      asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier.address()), "r"(count)
                   : "memory"));
}
// Before the block's barrier that follows the initialisations.
__device__ __forceinline__ void fence_mbarriers() {
  INSTRUCTBLIP_SM_90(asm volatile("fence.mbarrier_init.release.cluster;" ::
                                      : "memory");
                     asm volatile("fence.proxy.async.shared::cta;" ::
                                      : "memory"));
}
__device__ __forceinline__ void arrive(Mbarrier barrier) {
  INSTRUCTBLIP_SM_90(
      asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier.address())
                   : "memory"));
}
// Not before `used` has been computed: a load that has only been issued may lose its slot. A sum is
// never this NaN, which the compiler does not know.
__device__ __forceinline__ void arrive_after(Mbarrier barrier, float used) {
  INSTRUCTBLIP_SM_90(
      asm volatile("{\n"
                   ".reg .pred computed;\n"
                   "setp.ne.b32 computed, %1, 0x7fbadbad;\n"
                   "@computed mbarrier.arrive.shared::cta.b64 _, [%0];\n"
                   "}" ::"r"(barrier.address()),
                   "r"(__float_as_uint(used))
                   : "memory"));
}
__device__ __forceinline__ void arrive_expecting(Mbarrier barrier, unsigned bytes) {
  INSTRUCTBLIP_SM_90(asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier.address()), "r"(bytes)
      : "memory"));
}
__device__ __forceinline__ void wait(Mbarrier barrier, unsigned parity) {
  INSTRUCTBLIP_SM_90(
      asm volatile("{\n"
                   ".reg .pred done;\n"
                   "again:\n"
                   "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                   "@done bra end;\n"
                   "bra again;\n"
                   "end:\n"
                   "}" ::"r"(barrier.address()),
                   "r"(parity)
                   : "memory"));
}
template <class P>
__device__ __forceinline__ void copy_bulk(Shared<P> to, const void* from, unsigned bytes,
                                          Mbarrier barrier) {
  INSTRUCTBLIP_SM_90(asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
      "[%3];" ::"r"(to.address()),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(barrier.address())
      : "memory"));
}

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900  // launches do not overlap there
__device__ __forceinline__ void grid_wait() {}
__device__ __forceinline__ void grid_signal() {}
#else
__device__ __forceinline__ void grid_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
__device__ __forceinline__ void grid_signal() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}
#endif
#undef INSTRUCTBLIP_SM_90

}  // namespace instructblip::kernels::dev
