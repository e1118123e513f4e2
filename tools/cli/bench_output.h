// What `bench` prints.
#pragma once

#include <map>
#include <string>

#include "instructblip/benchmark.h"
#include "instructblip/doctor.h"

namespace instructblip::cli {

// Medians of an earlier run, by what was measured.
class EarlierRun {
 public:
  EarlierRun() = default;
  // Reads what `bench --json` printed. Throws Failure(usage) where `file` is not that.
  explicit EarlierRun(const std::string& file);

  bool empty() const { return medians_.empty(); }
  // In milliseconds; 0 where that was not measured.
  double median_ms(const BenchmarkRow& row) const;

 private:
  std::map<std::string, double> medians_;
};

// One object on one line, without its end: docs/command-line.md describes it.
std::string to_json(const BenchmarkReport& report, const SystemReport& machine,
                    const EarlierRun& earlier);

// For people, 100 columns at most.
std::string to_text(const BenchmarkReport& report, const SystemReport& machine,
                    const EarlierRun& earlier);

}  // namespace instructblip::cli
