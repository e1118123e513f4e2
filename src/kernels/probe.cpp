#include "kernels/probe.h"

#include <array>

#include "kernels/cpu/probe.h"
#include "kernels/cpu/supports.h"

namespace instructblip::kernels {
namespace {

constexpr auto kProbes = std::to_array<Probe>({
#if INSTRUCTBLIP_KERNELS_X86
  {"avx512", cpu::has_avx512, cpu::read_avx512, cpu::multiply_add_avx512, 192},
      {"avx2", cpu::has_avx2, cpu::read_avx2, cpu::multiply_add_avx2, 96},
#endif
      {"portable", cpu::has_anything, cpu::read_portable, cpu::multiply_add_portable, 40},
});

}  // namespace

std::span<const Probe> probes() { return kProbes; }

}  // namespace instructblip::kernels
