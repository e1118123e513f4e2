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

#if INSTRUCTBLIP_KERNELS_X86
constexpr auto kWholeProbes = std::to_array<WholeProbe>({
    {"8 bits, avx512_vnni", 8, cpu::has_avx512_vnni, cpu::multiply_8_bits_avx512_vnni, 12 * 64,
     12 * 16},
    {"8 bits, avx2", 8, cpu::has_avx2, cpu::multiply_8_bits_avx2, 12 * 32, 12 * 16},
    {"16 bits, avx2", 16, cpu::has_avx2, cpu::multiply_16_bits_avx2, 12 * 16, 12 * 8},
});
#else
constexpr std::array<WholeProbe, 0> kWholeProbes = {};
#endif

}  // namespace

std::span<const Probe> probes() { return kProbes; }

std::span<const WholeProbe> whole_probes() { return kWholeProbes; }

}  // namespace instructblip::kernels
