// What training code puts around names.
#include "adapters/wrapped_names.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace instructblip {
namespace {

using Names = std::vector<std::string>;
using test::expect_error;

TEST(WrappedNames, LoseTheirWrappersAtEveryLevel) {
  const std::pair<const char*, const char*> rows[] = {
      {"qformer.encoder.layer.0.a.weight", "qformer.encoder.layer.0.a.weight"},
      {"query_tokens", "query_tokens"},
      {"module.query_tokens", "query_tokens"},
      {"_orig_mod.query_tokens", "query_tokens"},
      {"module._orig_mod.query_tokens", "query_tokens"},
      {"_forward_module.model._orig_mod.query_tokens", "model.query_tokens"},
      {"language_model._orig_mod.lm_head.weight", "language_model.lm_head.weight"},
      {"_fsdp_wrapped_module.a._fsdp_wrapped_module._checkpoint_wrapped_module.b", "a.b"},
      {"base_model.model.qformer.a", "qformer.a"},
      {"module.language_model.base_model.model.model.norm.weight",
       "language_model.model.norm.weight"},
      // the last component is the tensor's own
      {"a._extra_state", "a._extra_state"},
      {"module", "module"},
      {"a.modules.b", "a.modules.b"},
      {"base_model.a", "base_model.a"},
      {"", ""},
      {"a..b", "a..b"},
  };
  for (const auto& [stored, plain] : rows) EXPECT_EQ(without_wrappers(stored), plain);
}

bool is_known(std::string_view name) {
  return name.starts_with("vision.") || name.starts_with("text.") || name == "queries";
}

TEST(OuterPrefix, IsTheOneBeginningBehindWhichNamesAreKnown) {
  const auto prefix_of = [](const Names& names) { return outer_prefix(names, is_known, "f"); };
  EXPECT_EQ(prefix_of({"vision.a", "queries"}), "");
  EXPECT_EQ(prefix_of({"model.vision.a", "model.queries", "loss.weight"}), "model.");
  EXPECT_EQ(prefix_of({"lit.model.vision.a", "lit.model.text.b"}), "lit.model.");
  EXPECT_EQ(prefix_of({}), "");
  EXPECT_EQ(prefix_of({"nothing", "of.a.model"}), "");
  // a model by its own names, and another one beside it
  EXPECT_EQ(prefix_of({"vision.a", "text.b", "ema.vision.a"}), "");
  // parts of the model inside it
  EXPECT_EQ(prefix_of({"model.vision.a", "model.head.text.b"}), "model.");
  EXPECT_EQ(prefix_of({"a.b.c.d.e.f.g.vision.a"}), "");  // deeper than anybody nests
}

TEST(OuterPrefix, IsRefusedWhereTwoModelsAreThere) {
  const std::string message = expect_error(ErrorCode::bad_model, "two models, expected one", [] {
    outer_prefix({"student.vision.a", "teacher.vision.a"}, is_known, "last.ckpt");
  });
  EXPECT_NE(message.find("last.ckpt"), std::string::npos) << message;
  EXPECT_NE(message.find("'student.vision.a' and 'teacher.vision.a'"), std::string::npos);
}

}  // namespace
}  // namespace instructblip
