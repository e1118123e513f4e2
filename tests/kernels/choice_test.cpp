// Kernels are chosen best first, may be forced, and say why they do not fit.
#include "kernels/choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/catalogue.h"
#include "kernels/instruction_limit.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "support/expect_error.h"

namespace instructblip::kernels {
namespace {

constexpr LinearProblem kProblem = {.rows = 1, .inputs = 1, .outputs = 1};

std::string_view chosen(const Choice& choice, const Machine& machine) {
  return choose(linear_kernels(), kProblem, {.choice = &choice, .machine = &machine})->name;
}

TEST(ChoiceTest, TakesTheFirstThatFitsTheMachine) {
  EXPECT_EQ(chosen(Choice(), Machine()), "fixed_order_portable");
#if defined(__x86_64__)
  Machine machine{.avx2 = true, .fma = true, .f16c = true};
  EXPECT_EQ(chosen(Choice(), machine), "fixed_order_avx2");
  machine.avx512f = true;
  EXPECT_EQ(chosen(Choice(), machine), "fixed_order_avx512");
#endif
}

TEST(ChoiceTest, AProcessorMayBeTakenForLess) {
  const Machine all{.avx2 = true,
                    .fma = true,
                    .f16c = true,
                    .avxvnni = true,
                    .avx512f = true,
                    .avx512bw = true,
                    .avx512vl = true,
                    .avx512vnni = true,
                    .avx512bf16 = true,
                    .amx_tile = true,
                    .amx_int8 = true,
                    .amx_bf16 = true};
  // How many of them are left.
  const auto left = [&](std::string_view newest) {
    const Machine some = limited(all, newest);
    return some.avx2 + some.fma + some.f16c + some.avxvnni + some.avx512f + some.avx512bw +
           some.avx512vl + some.avx512vnni + some.avx512bf16 + some.amx_tile + some.amx_int8 +
           some.amx_bf16;
  };
  const std::pair<std::string_view, int> expected[] = {
      {"portable", 0},    {"avx2", 3},        {"avx_vnni", 4}, {"avx512", 6},
      {"avx512_vnni", 7}, {"avx512_bf16", 8}, {"amx", 12}};
  for (const auto& [newest, count] : expected) EXPECT_EQ(left(newest), count) << newest;
  EXPECT_EQ(chosen(Choice(), limited(all, "portable")), "fixed_order_portable");
#if defined(__x86_64__)
  EXPECT_EQ(chosen(Choice(), limited(all, "avx_vnni")), "fixed_order_avx2");
#endif
  EXPECT_FALSE(limited(Machine(), "amx").avx2);  // nothing is added
  test::expect_error(ErrorCode::invalid_argument,
                     "INSTRUCTBLIP_INSTRUCTIONS: expected one of portable, avx2, avx_vnni, avx512,",
                     [&] { (void)limited(all, "AVX9"); });
}

TEST(ChoiceTest, AForcedKernelIsTaken) {
  const Choice choice = Choice::parse("linear=reference,paged_attention=portable", "--kernels");
  EXPECT_EQ(chosen(choice, this_machine()), "reference");
  EXPECT_EQ(choice.forced("paged_attention"), "portable");
  EXPECT_EQ(choice.forced("kv_append"), "");
}

TEST(ChoiceTest, TheNarrowerChoiceCounts) {
  const Choice option = Choice::parse("linear=reference", "--kernels");
  const Choice variable =
      Choice::parse("linear=fixed_order_portable,kv_append=reference", "VARIABLE");
  const Choice both = option.or_else(variable);
  EXPECT_EQ(both.forced("linear"), "reference");
  EXPECT_EQ(both.forced("kv_append"), "reference");
}

// A device has a table of the same name.
TEST(ChoiceTest, TheVariableForcesAKernelOfEachMachine) {
  for (const char* text : {"norm=portable,norm=sm_80", "norm=sm_80,norm=portable"}) {
    const Choice both = Choice::parse(text, "INSTRUCTBLIP_KERNELS");
    EXPECT_TRUE(both.forces("norm", "portable"));
    EXPECT_TRUE(both.forces("norm", "sm_80"));
    EXPECT_EQ(forced_in(norm_kernels(), both), "portable");
  }
  for (const char* text : {"norm=sm_80", "norm=none"}) {
    EXPECT_EQ(forced_in(norm_kernels(), Choice::parse(text, "INSTRUCTBLIP_KERNELS")), "");
  }
  for (const char* text : {"norm=portable,norm=reference", "norm=sm_80,norm=none"}) {
    test::expect_error(ErrorCode::invalid_argument, "norm is named twice",
                       [&] { (void)Choice::parse(text, "INSTRUCTBLIP_KERNELS"); });
  }
}

TEST(ChoiceTest, MistakesAreNamedWithWhatThereIs) {
  const auto refused = [](const char* text, const char* expected) {
    return test::expect_error(ErrorCode::invalid_argument, expected,
                              [&] { (void)Choice::parse(text, "--kernels"); });
  };
  EXPECT_NE(refused("liner=reference", "--kernels: there is no operation 'liner'")
                .find("attention, kv_append, linear, log_sum_exp, norm, packed_linear, "
                      "paged_attention, resample"),
            std::string::npos);
  EXPECT_NE(refused("linear=fastest", "linear has no kernel 'fastest'").find("reference"),
            std::string::npos);
  refused("linear", "expected OPERATION=KERNEL, found 'linear'");
  refused("linear=reference,", "found ''");
  refused("resample=reference", "resample is not run by a model alone");
  refused("linear=reference,linear=reference", "linear is named twice");
  for (const LinearKernel& kernel : linear_kernels()) {
    if (kernel.supports(kProblem, this_machine())) continue;
    refused(("linear=" + std::string(kernel.name)).c_str(), "does not fit: this processor has no");
  }
}

TEST(ChoiceTest, AForcedKernelThatDoesNotFitIsAnError) {
#if defined(__x86_64__)
  if (!this_machine().avx2) GTEST_SKIP() << "this processor has no AVX2";
  const Choice choice = Choice::parse("linear=fixed_order_avx2", "--kernels");
  test::expect_error(ErrorCode::invalid_argument, "does not fit: this processor has no AVX2",
                     [&] { (void)chosen(choice, Machine()); });
#endif
  const Choice reference = Choice::parse("linear=reference", "--kernels");
  const LinearProblem problem{.rows = 1, .inputs = 1, .outputs = 1, .weights = DType::i8};
  test::expect_error(ErrorCode::invalid_argument, "weights are F32, F16 or BF16",
                     [&] { (void)choose(linear_kernels(), problem, {.choice = &reference}); });
}

// A machine with nothing: what its processor lacks is said of each entry, and forcing one throws.
TEST(CatalogueTest, SaysWhyAnEntryDoesNotFit) {
  for (const Operation& operation : catalogue(Choice(), Machine())) {
    EXPECT_EQ(operation.entries.back().kernel, "reference") << operation.name;
    EXPECT_EQ(std::ranges::count(operation.entries, true, &Entry::used), 1) << operation.name;
    const bool has_formats = operation.name == "packed_linear";
    for (const Entry& entry : operation.entries) {
      const bool of_a_processor = entry.kernel.find("avx") != std::string_view::npos;
      const bool fits = !of_a_processor && !entry.kernel.starts_with("bf16_");
      EXPECT_EQ(bool{entry.support}, fits) << entry.kernel;
      EXPECT_EQ(entry.support.reason().empty(), fits) << entry.kernel;
      EXPECT_EQ(entry.used_for.size(), has_formats && entry.used ? 5U : 0U) << entry.kernel;
    }
  }
}

using Uses = std::vector<UsedFor>;

// The weights that each kernel of packed products is used for.
std::map<std::string, Uses> shares(const Choice& choice, const Machine& machine) {
  const std::vector<Operation> all = catalogue(choice, machine);
  std::map<std::string, Uses> shares;
  for (const Entry& entry : std::ranges::find(all, "packed_linear", &Operation::name)->entries) {
    EXPECT_EQ(entry.used, !entry.used_for.empty()) << entry.kernel;
    EXPECT_TRUE(!entry.used || entry.support) << entry.kernel;
    if (entry.used) shares[std::string(entry.kernel)] = entry.used_for;
  }
  return shares;
}

TEST(CatalogueTest, SaysWhichWeightsAKernelIsUsedFor) {
  using Shares = std::map<std::string, Uses>;
  const Uses stored = {{Format::f32}, {Format::f16}, {Format::bf16}};
  const Uses bytes = {{Format::w8}, {Format::w4}};
  const Uses all = {{Format::f32}, {Format::f16}, {Format::bf16}, {Format::w8}, {Format::w4}};
#if defined(__x86_64__)
  Machine machine{.avx2 = true, .fma = true, .f16c = true};
  EXPECT_EQ(shares(Choice(), machine), (Shares{{"bytes_avx2", bytes}, {"avx2", stored}}));
  const Choice avx2 = Choice::parse("packed_linear=avx2", "--kernels", machine);
  EXPECT_EQ(shares(avx2, machine), (Shares{{"avx2", all}}));
  machine.avx512f = machine.avx512bw = machine.avx512vl = machine.avx512bf16 = true;
  const Uses rounded = {{Format::bf16, true}};
  EXPECT_EQ(shares(Choice(), machine),
            (Shares{{"bytes_avx2", bytes}, {"bf16_avx512", rounded}, {"avx512", stored}}));
#endif
  const Choice bf16 = Choice::parse("packed_linear=bf16_portable", "--kernels");
  EXPECT_EQ(shares(bf16, Machine()), (Shares{{"bf16_portable", {{Format::bf16}}}}));
}

}  // namespace
}  // namespace instructblip::kernels
