// Answers to instructions about pictures, printed as they come: what run and the tasks share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace instructblip::cli {

// What is asked about every picture.
struct Questions {
  std::vector<std::string> instructions;
  GenerationConfig options;
  std::optional<std::string> qformer_text = {};
};

// Throws Failure(usage) unless the settings name either pictures or features.
void check_shown(const Session& session);

// Answers them about the pictures, or the features, that the settings name. Throws Failure.
ExitCode answer_all(Session& session, const Questions& questions);

}  // namespace instructblip::cli
