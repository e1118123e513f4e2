// Which kernel of a packed product a processor is given.
#include <gtest/gtest.h>

#include "kernels/choice.h"
#include "kernels/packed_linear.h"
#include "support/expect_error.h"

namespace instructblip::kernels {
namespace {

TEST(PackedLinearTest, RowsAreRoundedToBf16WhereTheyMayBeOrWhereThatIsForced) {
  Machine machine{.avx2 = true, .fma = true, .f16c = true, .avx512f = true, .avx512bw = true};
  const Choice none, forced = Choice::parse("packed_linear=bf16_portable", "kernels");
  const auto chosen = [&](Format format, const Choice& choice, bool may_round = true) {
    const PackedLinearProblem problem{
        .rows = 64, .inputs = 64, .outputs = 64, .weights = format, .may_round = may_round};
    return choose(packed_linear_kernels(), problem, {.choice = &choice, .machine = &machine})->name;
  };
#if defined(__x86_64__)
  EXPECT_EQ(chosen(Format::bf16, none), "avx512");
  machine.avx512vl = machine.avx512bf16 = true;
  EXPECT_EQ(chosen(Format::bf16, none), "bf16_avx512");
  EXPECT_EQ(chosen(Format::f16, none), "avx512");
  machine.amx_tile = machine.amx_bf16 = true;
  EXPECT_EQ(chosen(Format::bf16, none), "bf16_amx");
  EXPECT_EQ(chosen(Format::bf16, none, false), "avx512");
#endif
  EXPECT_EQ(chosen(Format::bf16, forced, false), "bf16_portable");
  test::expect_error(ErrorCode::invalid_argument, "does not fit: its weights are BF16",
                     [&] { (void)chosen(Format::f16, forced); });
}

TEST(PackedLinearTest, RowsAreRoundedWhereWeightsAreByThemselvesOrWhereThatIsForced) {
  const Choice none, forced = Choice::parse("packed_linear=bytes_portable", "kernels");
  const auto chosen = [&](Format format, const Machine& machine, const Choice& choice) {
    const PackedLinearProblem problem{.rows = 1, .inputs = 64, .outputs = 64, .weights = format};
    return choose(packed_linear_kernels(), problem, {.choice = &choice, .machine = &machine})->name;
  };
  Machine machine{.avx2 = true, .fma = true, .f16c = true};
#if defined(__x86_64__)
  EXPECT_EQ(chosen(Format::w8, machine, none), "bytes_avx2");
  EXPECT_EQ(chosen(Format::w4, machine, none), "bytes_avx2");
  EXPECT_EQ(chosen(Format::f16, machine, none), "avx2");
  machine.avxvnni = true;
  EXPECT_EQ(chosen(Format::w8, machine, none), "bytes_avx_vnni");
  EXPECT_EQ(chosen(Format::w4, machine, none), "bytes_avx_vnni");
  EXPECT_EQ(chosen(Format::bf16, machine, none), "avx2");
  machine.avxvnni = false;
  machine.avx512f = true;
  EXPECT_EQ(chosen(Format::w4, machine, none), "bytes_avx2");
  EXPECT_EQ(chosen(Format::f16, machine, none), "avx512");
  machine.avx512bw = machine.avx512vnni = true;
  EXPECT_EQ(chosen(Format::w4, machine, none), "bytes_avx2");  // something is hidden from it
  machine.avx512vl = true;
  EXPECT_EQ(chosen(Format::w4, machine, none), "bytes_avx512_vnni");
  EXPECT_EQ(chosen(Format::bf16, machine, none), "avx512");
#endif
  EXPECT_EQ(chosen(Format::w4, {}, none), "portable");
  EXPECT_EQ(chosen(Format::w4, machine, forced), "bytes_portable");
  EXPECT_EQ(chosen(Format::f16, machine, forced), "bytes_portable");
}

}  // namespace
}  // namespace instructblip::kernels
