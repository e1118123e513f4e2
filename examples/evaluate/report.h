/// The outcome of an evaluation, as a table to read or as JSON.
#pragma once

#include <array>
#include <string>

#include "questions.h"

namespace world {

struct Score {
  int n = 0;             ///< questions asked
  int exact = 0;         ///< right answers, as models/TASK.md counts them
  int same_wording = 0;  ///< answers equal to the expected text
};

/// Shares of the attention to patches that lie on the cell of the object asked about.
struct AttentionShares {
  int n = 0;  ///< questions
  double sum = 0, squares = 0;

  void add(double share) { ++n, sum += share, squares += share * share; }
};

using Scores = std::array<Score, kTypes.size()>;

struct Report {
  int scenes = 0;
  Scores trained;   ///< in templates that training used
  Scores held_out;  ///< in templates that it did not
  Scores new_form;  ///< scores on the form of question that it did not
  AttentionShares attention = {};
};

/// Wilson's 95 % interval of a share (E. B. Wilson 1927), as fractions; [0, 1] of nothing.
struct Interval {
  double low, high;
};
Interval wilson(const Score& score);

/// Mean share of the attention, and its 95 % interval: 1.96 standard errors each way.
double mean(const AttentionShares& shares);
Interval interval(const AttentionShares& shares);

/// Markdown: a row per type, shares in per cent with their intervals.
std::string as_table(const Report& report);

/// {"scenes", "types": {TYPE: {"n", "exact", "same_wording", "share", "interval": [low, high]}},
/// "held_out_templates": {...}, "held_out_form": {...}}, and "attention": {"n", "share",
/// "interval"} where it was measured: exact is a count, share and interval are
/// fractions.
std::string as_json(const Report& report);

}  // namespace world
