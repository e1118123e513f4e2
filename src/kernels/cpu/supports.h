// Reasons why a processor does not fit.
#pragma once

#include "kernels/machine.h"
#include "kernels/registry.h"

namespace instructblip::kernels::cpu {

inline Support has_anything(const Machine&) { return Support::yes(); }

inline Support has_avx2(const Machine& machine) {
  if (!machine.avx2) return Support::no("this processor has no AVX2");
  if (!machine.fma) return Support::no("this processor has no FMA");
  if (!machine.f16c) return Support::no("this processor has no F16C");
  return Support::yes();
}

inline Support has_avx_vnni(const Machine& machine) {
  return machine.avxvnni ? has_avx2(machine) : Support::no("this processor has no AVX-VNNI");
}

inline Support has_avx512(const Machine& machine) {
  return machine.avx512f ? has_avx2(machine) : Support::no("this processor has no AVX-512");
}

// What GCC 12 takes for granted in the sources for VNNI and BF16: it stores half a register by an
// instruction of VL. Every processor that has them has both, but a hypervisor may hide one.
inline Support has_avx512_bw_and_vl(const Machine& machine) {
  if (!machine.avx512bw) return Support::no("this processor has no AVX-512 BW");
  if (!machine.avx512vl) return Support::no("this processor has no AVX-512 VL");
  return has_avx512(machine);
}

inline Support has_avx512_vnni(const Machine& machine) {
  return machine.avx512vnni ? has_avx512_bw_and_vl(machine)
                            : Support::no("this processor has no AVX-512 VNNI");
}

inline Support has_avx512_bf16(const Machine& machine) {
  return machine.avx512bf16 ? has_avx512_bw_and_vl(machine)
                            : Support::no("this processor has no AVX-512 BF16");
}

inline Support has_amx_bf16(const Machine& machine) {
  if (!machine.amx_tile || !machine.amx_bf16) {
    return Support::no("this processor has no AMX BF16, or the system keeps it");
  }
  return has_avx512_bf16(machine);
}

}  // namespace instructblip::kernels::cpu
