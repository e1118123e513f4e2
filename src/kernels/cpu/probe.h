// The loops of probe.h, compiled for one instruction set each.
#pragma once

#include <cstdint>

namespace instructblip::kernels::cpu {

std::uint64_t read_avx512(const void* data, std::int64_t bytes);
std::uint64_t read_avx2(const void* data, std::int64_t bytes);
std::uint64_t read_portable(const void* data, std::int64_t bytes);

float multiply_add_avx512(std::int64_t rounds, float one, float step);
float multiply_add_avx2(std::int64_t rounds, float one, float step);
float multiply_add_portable(std::int64_t rounds, float one, float step);

std::int64_t multiply_8_bits_avx512_vnni(std::int64_t rounds, int one, int step);
std::int64_t multiply_8_bits_avx_vnni(std::int64_t rounds, int one, int step);
std::int64_t multiply_8_bits_avx2(std::int64_t rounds, int one, int step);
std::int64_t multiply_16_bits_avx2(std::int64_t rounds, int one, int step);
std::int64_t multiply_bf16_avx512(std::int64_t rounds, int one, int step);
std::int64_t multiply_bf16_amx(std::int64_t rounds, int one, int step);

}  // namespace instructblip::kernels::cpu
