#include "pipeline/rollout.h"

#include <gtest/gtest.h>

#include <vector>

namespace instructblip {
namespace {

// One query, one word, two positions, one head, by hand.
TEST(Rollout, FollowsAttentionThroughTheLayers) {
  const AttentionSizes sizes{.heads = 1, .queries = 1, .rows = 2, .positions = 2};
  const LayerAttention looks{{0.5F, 0.5F, 1, 0}, {0.25F, 0.75F}};
  // The query holds nothing, then half of what it looks at.
  EXPECT_EQ(rollout({looks}, sizes), (std::vector<float>{0.125F, 0.375F}));
  // Half of what it held, and a quarter of it again by looking at itself; the word held nothing.
  const LayerAttention blind{{0.5F, 0.5F, 1, 0}, {}};
  EXPECT_EQ(rollout({looks, blind}, sizes), (std::vector<float>{0.09375F, 0.28125F}));
  // The word has taken half of the query's by now, and gives a quarter of that back.
  EXPECT_EQ(rollout({looks, blind, blind}, sizes), (std::vector<float>{0.0859375F, 0.2578125F}));
}

TEST(Rollout, TakesTheMeanOfTheHeads) {
  const AttentionSizes sizes{.heads = 2, .queries = 1, .rows = 1, .positions = 2};
  EXPECT_EQ(rollout({{{1, 1}, {1, 0, 0, 1}}}, sizes), (std::vector<float>{0.25F, 0.25F}));
}

}  // namespace
}  // namespace instructblip
