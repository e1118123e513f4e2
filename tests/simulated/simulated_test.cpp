// Kernels whose instructions are simulated have to count as fitting: their tests skip those that
// the machine lacks.
#include <gtest/gtest.h>

#include <string>

#include "kernels/catalogue.h"
#include "kernels/choice.h"
#include "kernels/machine.h"

namespace instructblip::kernels {
namespace {

TEST(Simulated, NoKernelOfTheProcessorIsSkipped) {
  if (!this_machine().avx2) GTEST_SKIP() << "this processor has no AVX2 to simulate by";
  int simulated = 0;
  for (const Operation& operation : catalogue(Choice())) {
    for (const Entry& entry : operation.entries) {
      EXPECT_TRUE(entry.support || entry.support.takes_other_sizes())
          << operation.name << " " << entry.kernel << ": " << entry.support.reason();
      const std::string name(entry.kernel);
      const bool of_avx512 = name.find("avx512") != std::string::npos;
      if (of_avx512 || name.find("amx") != std::string::npos) ++simulated;
    }
  }
  EXPECT_EQ(simulated, 9);
}

}  // namespace
}  // namespace instructblip::kernels
