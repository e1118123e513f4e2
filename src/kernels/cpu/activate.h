// Activations over lanes; included as lanes.h is.
#pragma once

#include "kernels/activation.h"
#include "kernels/cpu/exp.h"

namespace instructblip::kernels::cpu {
namespace {

// x sigmoid(z): exp() of what is not positive cannot overflow.
INSTRUCTBLIP_KERNEL Lanes times_sigmoid(const Lanes& x, const Lanes& z) {
  const Lanes one = broadcast(1.0f);
  const Lanes e = exp_down_to_zero(subtract(broadcast(0.0f), magnitude(z)));
  return multiply(x, divide(where_negative(z, e, one), add(one, e)));
}

// x times the normal distribution of x, which is half of erfc(|x| / sqrt 2) where x is negative.
// erfc(t) is exp(-t p(t)) with p the polynomial that is off least where t is in [0, 4.2], weighted
// by erfc(t): there no result is off by more than 1.1e-7 |x|. It goes on to 0 behind.
INSTRUCTBLIP_KERNEL Lanes gelu(const Lanes& x) {
  constexpr float kPolynomial[] = {6.593548391720105e-07f,  -1.3823799235979095e-05f,
                                   0.00012408854672685266f, -0.0006078964215703309f,
                                   0.0015644376398995519f,  -7.755803380860016e-06f,
                                   -0.019265808165073395f,  0.10281968861818314f,
                                   0.6366124153137207f,     1.1283795833587646f};
  const Lanes t = multiply(magnitude(x), broadcast(0.70710678118654752f));
  Lanes p = broadcast(kPolynomial[0]);
  for (int i = 1; i < 10; ++i) p = multiply_add_once_rounded(p, t, broadcast(kPolynomial[i]));
  const Lanes exponent = subtract(broadcast(0.0f), multiply(t, p));
  const Lanes tail = multiply(broadcast(0.5f), exp_down_to_zero(exponent));
  return multiply(x, where_negative(x, tail, subtract(broadcast(1.0f), tail)));
}

// With 1 + tanh(u) = 2 sigmoid(2 u).
INSTRUCTBLIP_KERNEL Lanes gelu_new(const Lanes& x) {
  constexpr float kTwiceRoot = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  const Lanes cube = multiply(multiply(x, x), x);
  const Lanes u = multiply_add_once_rounded(cube, broadcast(0.044715f), x);
  return times_sigmoid(x, multiply(u, broadcast(kTwiceRoot)));
}

INSTRUCTBLIP_KERNEL Lanes activate(Activation activation, const Lanes& x) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return larger(broadcast(0.0f), x);  // NaN for NaN
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_new:
      return gelu_new(x);
    case Activation::quick_gelu:
      return times_sigmoid(x, multiply(x, broadcast(1.702f)));
    case Activation::silu:
      return times_sigmoid(x, x);
  }
  return x;
}

}  // namespace
}  // namespace instructblip::kernels::cpu
