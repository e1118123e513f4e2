// What a newcomer sees first: the questions of the demo, and the answers that the README promises.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "end_to_end/command.h"

namespace instructblip::test {
namespace {

TEST(Demo, PrintsTheAnswersOfTheReadme) {
  const Finished finished =
      run({.command = {kSource + "/scripts/demo_questions.sh", INSTRUCTBLIP_COMMAND}});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  std::ifstream readme(kSource + "/README.md");
  int promised = 0;
  for (std::string line; std::getline(readme, line);) {  // | instruction | answer |
    const std::size_t middle = line.find(" | ");
    if (!line.starts_with("| ") || !line.ends_with(" |") || middle == std::string::npos) continue;
    const std::string asked = line.substr(2, middle - 2);
    const std::string answer = line.substr(middle + 3, line.size() - middle - 5);
    if (finished.out.find(asked + "\n") == std::string::npos) continue;
    ++promised;
    EXPECT_NE(finished.out.find(asked + "\n  " + answer + "\n"), std::string::npos)
        << asked << " | " << answer << "\n"
        << finished.out;
  }
  EXPECT_EQ(promised, 7);
}

}  // namespace
}  // namespace instructblip::test
