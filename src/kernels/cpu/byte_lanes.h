// Products of whole numbers of 8 bits or fewer, sixteen sums at a time, in whatever registers the
// file is compiled for; see lanes.h. FourBits and EightBits say how weights of w4 and of w8 are
// multiplied with rounded rows:
//
//   kInputs     a block, inputs that have one scale: 32 where weights are scaled by block
//   kSteps      a block is so many steps of four bytes of a row, and of 64 bytes of sixteen rows of
//               weights
//   kMost       what the largest input of a block becomes
//   kScaled     whether each block of weights has scales of its own
//   of_panel()  a step's weights, the first of two or the second, as a panel has them
//   round()     rounds numbers between -kMost and kMost, ties to even, as steps have them; gives
//               what their sums begin with: where weights have more than they are worth, so that
//               none is below 0, that times the rounded numbers, with the other sign
//   sums_from() what round() gave, sixteen times
#pragma once

#include <cstddef>

#include "kernels/cpu/byte_product.h"
#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr std::int64_t kBytesOf4Bits = 16 * 2 + 4 * 16 * 4;  // a block of w4

}  // namespace
}  // namespace instructblip::kernels::cpu

#if defined(__AVX2__)
#include "kernels/cpu/rounded_bytes.h"
#else
#include "kernels/cpu/rounded_bytes_portable.h"
#endif

#if defined(__AVX512VNNI__)
#include "kernels/cpu/byte_lanes_avx512.h"
#elif defined(__AVXVNNI__)
#include "kernels/cpu/byte_lanes_avx_vnni.h"
#elif defined(__AVX2__)
#include "kernels/cpu/byte_lanes_avx2.h"
#else
#include "kernels/cpu/byte_lanes_portable.h"
#endif
