// Operations that have no table of kernels yet, because ATen or one loop computes them: plain loops
// in double precision, by which tests judge what does. One that gets kernels gets a contract in
// front of its loops here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace instructblip::kernels::reference {

// (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance. weight and bias may
// be empty.
std::vector<double> layer_norm(std::span<const float> x, std::span<const float> weight,
                               std::span<const float> bias, double eps);

// x / sqrt(mean(x^2) + eps) * weight.
std::vector<double> rms_norm(std::span<const float> x, std::span<const float> weight, double eps);

// x [d], d even, turned by position * theta^(-2j/d) in the plane of dimensions j and j + d/2.
std::vector<double> rotary(std::span<const float> x, std::int64_t position, double theta);

struct Buckets {
  std::int64_t count;
  std::int64_t max_distance;
  bool both_directions;  // encoder; else decoder, which sees nothing later
};

// The bucket of T5's relative positions, key - query, as a number whose whole part it is: where
// that is close to whole, rounding decides.
double relative_bucket(std::int64_t key_minus_query, const Buckets& buckets);

// What one query makes of the keys and values that it sees: softmax(q k^T / divisor + bias) v.
struct Seen {
  std::span<const float> query;            // [d]
  std::vector<const float*> keys, values;  // each [d]
  std::vector<double> bias;                // one for each key, or empty
  double divisor;
};
std::vector<double> attention(const Seen& seen);

double gelu(double x);        // x/2 (1 + erf(x / sqrt 2))
double gelu_new(double x);    // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
double quick_gelu(double x);  // x sigmoid(1.702 x)
double silu(double x);        // x sigmoid(x)
double relu(double x);

// The indices of the `count` largest values, largest first, of equal ones the lowest index first.
std::vector<std::int64_t> top_k(std::span<const float> values, std::int64_t count);

}  // namespace instructblip::kernels::reference
