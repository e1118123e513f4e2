#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace world {
namespace {

constexpr double kNormal = 1.959964;  // leaves 2.5 % on each side

double share(const Score& score) { return score.n == 0 ? 0 : double(score.exact) / score.n; }

std::string per_cent(double value, const Interval& interval) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f (%.1f–%.1f)", 100 * value, 100 * interval.low,
                100 * interval.high);
  return text;
}

std::string per_cent(const Score& score) {
  return score.n == 0 ? "–" : per_cent(share(score), wilson(score));
}

nlohmann::ordered_json to_json(const Scores& scores) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const Score& score = scores[i];
    if (score.n == 0) continue;
    const Interval interval = wilson(score);
    json[std::string(kTypes[i])] = {{"n", score.n},
                                    {"exact", score.exact},
                                    {"same_wording", score.same_wording},
                                    {"share", share(score)},
                                    {"interval", {interval.low, interval.high}}};
  }
  return json;
}

}  // namespace

Interval wilson(const Score& score) {
  if (score.n == 0) return {0, 1};
  constexpr double z = kNormal;
  const double n = score.n, p = share(score);
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  return {centre - half, centre + half};
}

double mean(const AttentionShares& shares) { return shares.n == 0 ? 0 : shares.sum / shares.n; }

Interval interval(const AttentionShares& shares) {
  if (shares.n < 2) return {0, 1};
  const double n = shares.n, centre = mean(shares);
  const double variance = std::max(0.0, shares.squares - n * centre * centre) / (n - 1);
  const double half = kNormal * std::sqrt(variance / n);
  return {centre - half, centre + half};
}

std::string as_table(const Report& report) {
  std::string table = std::to_string(report.scenes) +
                      " scenes; right answers in % (95 % interval)\n\n"
                      "| type | asked | right | in held-out templates | held-out form |\n"
                      "|---|---:|---:|---:|---:|\n";
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const Score &trained = report.trained[i], &held_out = report.held_out[i];
    if (trained.n + held_out.n + report.new_form[i].n == 0) continue;
    table += "| " + std::string(kTypes[i]) + " | " + std::to_string(trained.n) + " | " +
             per_cent(trained) + " | " + per_cent(held_out) + " | " + per_cent(report.new_form[i]) +
             " |\n";
  }
  const Score& captions = report.trained[static_cast<std::size_t>(Type::caption)];
  if (captions.n > 0) {
    table += "\nCaptions in the exact wording, with sizes, order and sign: " +
             per_cent({captions.n, captions.same_wording, 0}) + "\n";
  }
  if (const AttentionShares& shares = report.attention; shares.n > 0) {
    table += "\nAttention to patches that lies on the cell of the object asked about (chance " +
             std::string("11.1): ") + per_cent(mean(shares), interval(shares)) + ", " +
             std::to_string(shares.n) + " questions\n";
  }
  return table;
}

std::string as_json(const Report& report) {
  nlohmann::ordered_json json = {{"scenes", report.scenes},
                                 {"types", to_json(report.trained)},
                                 {"held_out_templates", to_json(report.held_out)},
                                 {"held_out_form", to_json(report.new_form)}};
  if (const AttentionShares& shares = report.attention; shares.n > 0) {
    const Interval around = interval(shares);
    json["attention"] = {
        {"n", shares.n}, {"share", mean(shares)}, {"interval", {around.low, around.high}}};
  }
  return json.dump() + '\n';
}

}  // namespace world
