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
constexpr auto kRoundedProbes = std::to_array<RoundedProbe>({
    {"8 bits, avx512_vnni", Number::int8, cpu::has_avx512_vnni, cpu::multiply_8_bits_avx512_vnni,
     12 * 64, 12 * 16},
    {"8 bits, avx_vnni", Number::int8, cpu::has_avx_vnni, cpu::multiply_8_bits_avx_vnni, 12 * 32,
     12 * 8},
    {"8 bits, avx2", Number::int8, cpu::has_avx2, cpu::multiply_8_bits_avx2, 12 * 32, 12 * 16},
    {"16 bits, avx2", Number::int16, cpu::has_avx2, cpu::multiply_16_bits_avx2, 12 * 16, 12 * 8},
    {"bf16, amx", Number::bf16, cpu::has_amx_bf16, cpu::multiply_bf16_amx, 4 * 256 * 32, 4 * 256},
    {"bf16, avx512", Number::bf16, cpu::has_avx512_bf16, cpu::multiply_bf16_avx512, 12 * 32,
     12 * 16},
});
#else
constexpr std::array<RoundedProbe, 0> kRoundedProbes = {};
#endif

}  // namespace

std::span<const Probe> probes() { return kProbes; }

std::span<const RoundedProbe> rounded_probes() { return kRoundedProbes; }

}  // namespace instructblip::kernels
