// The rows of a step, chosen on a device from the summaries of the step before and written into the
// tables of that one, so that it can be launched again before the host knows them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nn/row_summaries.h"
#include "nn/runtime.h"
#include "nn/step_tables.h"

namespace instructblip::nn {

// S requests | H rows of each | R = S * H

// How rows are chosen, as NextRows in decoding/logits.h says it of each request.
struct NextRowsRule {
  std::int64_t requests = 0, rows = 0;  // S, H
  std::int64_t top = 0;                 // AskedOfRows::top
  std::int64_t candidates = 1;
  std::vector<std::int32_t> stop_ids = {};

  // Words that a choice takes behind the summaries.
  std::int64_t words() const { return 3 * requests * rows; }
  friend bool operator==(const NextRowsRule&, const NextRowsRule&) = default;
};

// Whether the device has a kernel that chooses so, for these tables.
bool can_choose_rows(const Runtime& runtime, const StepTables& tables, const NextRowsRule& rule);

// What a choice needs that the summaries do not tell, on the device.
struct KnownOfRows {
  // `slots` [R]: where keys and values of the rows that are chosen will go.
  KnownOfRows(const Runtime& runtime, const NextRowsRule& rule,
              std::span<const std::int32_t> slots);
  at::Tensor words;      // [R + stop_ids] int32
  at::Tensor sums = {};  // [R] float32, what the rows had; undefined where there is one candidate
};

// Chooses, and writes tokens, positions and slots of the rows into the tables of a step. Sends
// nothing.
void choose_rows(const Runtime& runtime, const StepTables& tables, const NextRowsRule& rule,
                 const KnownOfRows& known, const SummariesUnderway& summaries);

// The row of its request that each row continues, and its token; -1 where the host has to choose.
struct ChosenRows {
  std::span<const std::int32_t> sources, tokens;  // [R]
};
// Behind SummariesUnderway::read(), as long as that lives.
ChosenRows chosen_rows(const NextRowsRule& rule, const SummariesUnderway& summaries);
// The sums that they have, [R] on the device.
at::Tensor chosen_sums(const NextRowsRule& rule, const SummariesUnderway& summaries);

}  // namespace instructblip::nn
