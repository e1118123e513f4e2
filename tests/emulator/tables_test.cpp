// The tables of CUDA kernels, and what is listed of them where they are not.
#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/catalogue.h"
#include "kernels/cuda/kernels.h"
#include "support/expect_error.h"

namespace instructblip::kernels {
namespace {

using Row = std::tuple<std::string, std::string, bool>;  // operation, kernel, row invariant

template <class Contract>
void add(std::vector<Row>& rows, std::span<const cuda::Kernel<Contract>> table) {
  for (const cuda::Kernel<Contract>& kernel : table) {
    rows.emplace_back(Contract::kOperation, kernel.name, kernel.traits.row_invariant);
  }
}

Machine device(int capability) {
  Machine machine;
  machine.cuda_capability = capability;
  return machine;
}

TEST(CudaTables, AreWhatIsListed) {
  const cuda::Tables& tables = cuda::tables();
  std::vector<Row> there, listed;
  add(there, tables.activation);
  add(there, tables.attention);
  add(there, tables.kv_append);
  add(there, tables.next_rows);
  add(there, tables.norm);
  add(there, tables.paged_attention);
  add(there, tables.pixel_values);
  add(there, tables.product);
  add(there, tables.qformer_layer);
  add(there, tables.row_summary);
  for (const cuda::Listed& entry : cuda::listed()) {
    listed.emplace_back(entry.operation, entry.kernel, entry.traits.row_invariant);
  }
  EXPECT_EQ(there, listed);
}

TEST(CudaTables, TakeWhatTheirKernelsDoAndSayWhyNot) {
  const auto& table = cuda::tables().product;
  cuda::TiledProductProblem problem{.rows = 5, .inputs = 64, .outputs = 3, .processors = 1};
  problem.layout = cuda::TiledProductProblem::Layout::rows;
  const auto& skinny = table.back();
  EXPECT_TRUE(skinny.supports(problem, device(80)));
  EXPECT_NE(skinny.supports(problem, device(75)).reason().find("8.0"), std::string::npos);
  problem.rows = 33;
  const Machine newest = device(90);
  EXPECT_EQ(choose(table, problem, {.machine = &newest}), nullptr);
  EXPECT_NE(skinny.supports(problem, newest).reason().find("32 rows"), std::string::npos);
  // What a library multiplies faster, unless it has no such product.
  problem.rows = 9;
  problem.outputs = 2048;
  for (const auto& kernel : table) {
    EXPECT_NE(kernel.supports(problem, newest).reason().find("a library"), std::string::npos);
  }
  EXPECT_EQ(choose(table, problem, {.machine = &newest}), nullptr);
  problem.wide = true;
  EXPECT_TRUE(skinny.supports(problem, newest));
  problem.wide = false;
  for (const Format format : {Format::w8, Format::w4}) {
    cuda::TiledProductProblem quantised = problem;
    quantised.weights = format;
    quantised.layout = cuda::TiledProductProblem::Layout::tiles;
    EXPECT_EQ(choose(table, quantised, {.machine = &newest})->name, "bulk_sm_90");
  }
  problem.rows = 8;
  EXPECT_TRUE(skinny.supports(problem, newest));
  // Weights enough for the others to leave them to it, unless there is more to do.
  problem.inputs = 4096;
  problem.outputs = 4096;
  const auto& bulk = table.front();
  EXPECT_NE(bulk.supports(problem, newest).reason().find("skinny"), std::string::npos);
  problem.norm = cuda::TiledProductProblem::Norm::rms;
  EXPECT_TRUE(bulk.supports(problem, newest));
  EXPECT_FALSE(skinny.supports(problem, newest));
  problem.norm = cuda::TiledProductProblem::Norm::none;
  problem.outputs = 4080;
  EXPECT_TRUE(bulk.supports(problem, newest));
  problem.finish = cuda::TiledProductProblem::Finish::gated;
  EXPECT_FALSE(skinny.supports(problem, newest));
  cuda::KvAppend::Problem append;
  append.width = 24;
  EXPECT_TRUE(cuda::tables().kv_append[0].supports(append, device(80)));
  append.turned = true;
  EXPECT_FALSE(cuda::tables().kv_append[0].supports(append, device(80)));
}

// Devices of 8.6, 8.9 and 12.0 have 99 KiB: a prompt's attention fits, a norm before a product with
// its rows does not always.
TEST(CudaTables, LeaveToOthersWhatABlockHasNoMemoryFor) {
  const auto& table = cuda::tables().product;
  Machine small = device(89);
  small.cuda_shared_bytes = 99 << 10;
  cuda::TiledProductProblem problem{.rows = 5, .inputs = 4096, .outputs = 4096, .processors = 1};
  problem.layout = cuda::TiledProductProblem::Layout::rows;
  problem.norm = cuda::TiledProductProblem::Norm::rms;
  const Machine large = device(80);
  EXPECT_EQ(choose(table, problem, {.machine = &large})->name, "ring_sm_80");
  EXPECT_EQ(choose(table, problem, {.machine = &small}), nullptr);
  EXPECT_NE(table[1].supports(problem, small).reason().find("shared memory"), std::string::npos);
  problem.rows = 1;
  EXPECT_TRUE(choose(table, problem, {.machine = &small}));
  problem.norm = cuda::TiledProductProblem::Norm::none;
  problem.rows = 5;
  EXPECT_TRUE(choose(table, problem, {.machine = &small}));
  const cuda::AttentionProblem llama{.query_heads = 32, .key_heads = 32, .width = 128};
  EXPECT_TRUE(cuda::tables().attention[0].supports(llama, small));
}

// Newer ones run what is compiled for 8.0.
TEST(CudaTables, DevicesOfTheFutureTakeWhatThoseOfThePastDo) {
  const cuda::TiledProductProblem problem{.rows = 5, .inputs = 64, .outputs = 3, .processors = 1};
  const Machine future = device(120);
  EXPECT_EQ(choose(cuda::tables().product, problem, {.machine = &future})->name, "ring_sm_80");
}

// Where others may be composed.
TEST(CudaTables, AKernelThatIsForcedIsTheOnlyOne) {
  const auto& table = cuda::tables().product;
  const Choice choice = Choice::parse("product=skinny_sm_80", "kernels", device(80));
  const Machine able = device(80), unable = device(75);
  cuda::TiledProductProblem problem{.rows = 5, .inputs = 64, .outputs = 3};
  problem.layout = cuda::TiledProductProblem::Layout::rows;
  Wanted wanted{.choice = &choice, .machine = &able, .may_compose = true};
  EXPECT_EQ(choose(table, problem, wanted)->name, "skinny_sm_80");
  problem.rows = 33;
  EXPECT_EQ(choose(table, problem, wanted), nullptr);
  wanted.may_compose = false;
  test::expect_error(ErrorCode::invalid_argument, "32 rows",
                     [&] { choose(table, problem, wanted); });
  wanted = {.choice = &choice, .machine = &unable, .may_compose = true};
  test::expect_error(ErrorCode::invalid_argument, "8.0", [&] { choose(table, problem, wanted); });
}

TEST(CudaTables, AreTheCatalogueOfADevice) {
  const std::vector<Operation> all = catalogue(Choice(), device(90));
  ASSERT_EQ(all.size(), 10U);
  for (const Operation& operation : all) {
    EXPECT_TRUE(operation.entries.front().used) << operation.name;
    EXPECT_FALSE(operation.forced);
  }
  for (const Operation& operation : catalogue(Choice(), device(75))) {
    EXPECT_FALSE(operation.entries.front().used) << operation.name;
    EXPECT_FALSE(operation.entries.front().support);
  }
}

TEST(CudaTables, KernelsAreForcedByNameWhereTheyAre) {
  const Choice choice = Choice::parse("paged_attention=sm_80", "kernels", device(80));
  EXPECT_EQ(choice.forced("paged_attention"), "sm_80");
  const auto operations = catalogue(choice, device(80));
  const auto found = std::ranges::find(operations, "paged_attention", &Operation::name);
  ASSERT_NE(found, operations.end());
  EXPECT_TRUE(found->forced);
  test::expect_error(ErrorCode::invalid_argument, "paged_attention has no kernel",
                     [] { Choice::parse("paged_attention=avx2", "kernels", device(80)); });
  test::expect_error(ErrorCode::invalid_argument, "paged_attention has no kernel",
                     [] { Choice::parse("paged_attention=sm_80", "kernels"); });
  test::expect_error(ErrorCode::invalid_argument, "does not fit",
                     [] { Choice::parse("norm=sm_80", "kernels", device(75)); });
  // None of them.
  const Choice none = Choice::parse("norm=none,product=none", "kernels", device(80));
  for (const Operation& operation : catalogue(none, device(80))) {
    const bool named = operation.name == "norm" || operation.name == "product";
    EXPECT_EQ(operation.forced, named) << operation.name;
    EXPECT_EQ(std::ranges::none_of(operation.entries, &Entry::used), named) << operation.name;
  }
  test::expect_error(ErrorCode::invalid_argument, "linear has no kernel",
                     [] { Choice::parse("linear=none", "kernels"); });
  EXPECT_EQ(Choice::parse("norm=none", "INSTRUCTBLIP_KERNELS").forced("norm"), "none");
  // The variable may name kernels of both; each forces its own.
  const Choice both = Choice::parse("norm=sm_80,linear=reference", "INSTRUCTBLIP_KERNELS");
  EXPECT_EQ(both.forced("norm"), "sm_80");
  EXPECT_EQ(both.forced("linear"), "reference");
  const Choice of_device = Choice::parse("paged_attention=sm_80", "INSTRUCTBLIP_KERNELS");
  for (const Operation& operation : catalogue(of_device)) EXPECT_FALSE(operation.forced);
}

}  // namespace
}  // namespace instructblip::kernels
