// What each stage has to read and to compute, from the config alone: the denominators of a
// benchmark. Products of matrices and attention are counted, which is all that takes time at the
// published sizes; norms, activations, biases and what passes between operations are not, so that
// a share of the limit is never flattered by them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/model_config.h"

namespace instructblip::costs {

// Elements of matrices, by the parts of a model, which may be held in different numbers of bits.
struct Elements {
  double vision = 0, qformer = 0, projection = 0, language = 0, head = 0;

  double total() const { return vision + qformer + projection + language + head; }
  Elements& operator+=(const Elements& other);
  Elements operator*(double factor) const;
  bool operator==(const Elements&) const = default;
};

// Work that no implementation can do without.
struct Cost {
  Elements weights = {};   // each read once
  double cached = 0;       // elements of keys and values that are read or written
  double flops = 0;        // a multiplication and an addition are two
  Elements products = {};  // those of them that are products with the packed matrices of each part

  Cost& operator+=(const Cost& other);
};

inline Cost operator+(Cost a, const Cost& b) { return a += b; }

// `count` times the same work, each with matrices of its own; of parts of it, 1 / count.
Cost times(const Cost& one, double count);
// The same work for `count` inputs by the same matrices, which are read once for all of them.
Cost shared_by(const Cost& one, double count);

// Bytes of an element, as it is held: of weights of each part, and of keys and values.
struct ElementBytes {
  Elements weights = {4, 4, 4, 4, 4};
  double cached = 4;
};

double bytes_of(const Cost& cost, const ElementBytes& held);

// Pictures, or tiles of them, through the vision encoder together.
Cost vision_cost(const VisionConfig& config, std::int64_t views);

// Pictures of so many visual rows each, with an instruction of `text` tokens each, 0 where none is
// read. Keys and values of a picture are computed once for it.
struct Readings {
  std::int64_t pictures = 1;
  std::int64_t positions = 257;
  std::int64_t text = 0;
};
Cost qformer_cost(const QFormerConfig& config, const Readings& of);

// Rows brought from width `from` to the language model's.
struct ProjectedRows {
  std::int64_t rows, from, to;
};
Cost projection_cost(const ProjectionConfig& config, const ProjectedRows& rows);

// A prompt, up to the logits of the first new token: what follows one another. Of an
// encoder-decoder the encoder, with keys and values for the decoder, and then its first step.
std::vector<Cost> prefill_costs(const LanguageConfig& config, std::int64_t prompt);

// A token more for each of `rows` hypotheses of one prompt, which is stored once for all of them.
struct DecodeStep {
  std::int64_t rows = 1;
  std::int64_t prompt = 0;
  std::int64_t before = 0;  // tokens of each hypothesis that earlier steps have read
};
Cost step_cost(const LanguageConfig& config, const DecodeStep& step);

// What may be read while it is computed.
struct Pass {
  double bytes = 0;
  double flops = 0;
  // Those of them that are products of whole numbers of 8 and of 16 bits and of bf16, not of
  // float32.
  double flops_of_8_bits = 0, flops_of_16_bits = 0, flops_of_bf16 = 0;
};

struct Machine {
  double read_gbps = 0;                                      // 1e9 bytes a second
  double peak_gflops = 0;                                    // 1e9 operations a second, of float32
  double peak_gops_of_8_bits = 0, peak_gops_of_16_bits = 0;  // the same of whole numbers
  double peak_gflops_of_bf16 = 0;
};
// The time that the machine needs at least for one pass after the other: of each the longer of
// reading and computing.
struct Limit {
  double ms = 0;
  bool by_reading = false;  // most of it, else by arithmetic
};
Limit limit_of(std::span<const Pass> passes, const Machine& machine);

}  // namespace instructblip::costs
