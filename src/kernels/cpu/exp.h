// exp over lanes; included as lanes.h is.
#pragma once

#include "kernels/cpu/lanes.h"

namespace instructblip::kernels::cpu {
namespace {

constexpr float kLowest = -86.6f;  // the last that is nearest to 2^-125 among whole powers

// exp(x) for x <= 0, at most 1.0 units in the last place off: x = q ln 2 + s, then a polynomial in
// s (coefficients of SLEEF's expf_u10, which torch's softmax uses). NaN for NaN. What is below
// kLowest counts as that: nothing is lost beside a sum of one and more, and every power is normal.
INSTRUCTBLIP_KERNEL Lanes exp_non_positive(const Lanes& given) {
  constexpr float kLogHigh = 0.693145751953125f;          // ln 2 in two parts,
  constexpr float kLogLow = 1.428606765330187045e-06f;    // the first one short enough to be exact
  constexpr float kInverseLog = 1.44269504088896340736f;  // 1 / ln 2
  // To the nearest integer: adding 1.5 * 2^23 leaves no fraction bits.
  const Lanes shift = broadcast(12582912.0f);
  const Lanes x = larger(broadcast(kLowest), given);
  const Lanes q = subtract(add(multiply(x, broadcast(kInverseLog)), shift), shift);
  Lanes s = multiply_add_once_rounded(q, broadcast(-kLogHigh), x);
  s = multiply_add_once_rounded(q, broadcast(-kLogLow), s);
  Lanes u = broadcast(0.000198527617612853646278381f);
  u = multiply_add_once_rounded(u, s, broadcast(0.00139304355252534151077271f));
  u = multiply_add_once_rounded(u, s, broadcast(0.00833336077630519866943359f));
  u = multiply_add_once_rounded(u, s, broadcast(0.0416664853692054748535156f));
  u = multiply_add_once_rounded(u, s, broadcast(0.166666671633720397949219f));
  u = multiply_add_once_rounded(u, s, broadcast(0.5f));
  u = add(broadcast(1.0f), multiply_add_once_rounded(multiply(s, s), u, s));
  return scale(u, q);
}

// The same, but 0 for what is below kLowest, where nothing stands beside the result.
INSTRUCTBLIP_KERNEL Lanes exp_down_to_zero(const Lanes& x) {
  return where_negative(subtract(x, broadcast(kLowest)), broadcast(0.0f), exp_non_positive(x));
}

}  // namespace
}  // namespace instructblip::kernels::cpu
