// A process that forks after it has loaded a model: its child is told, and waits for nothing.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "instructblip/engine.h"
#include "instructblip/retrieval.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

constexpr const char* kInstruction = "What is unusual about this image?";

// Whether `work` says yes in a child, which a signal ends where it waits for ever.
bool holds_in_a_child(const std::function<bool()>& work) {
  constexpr unsigned kSeconds = 60;
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kSeconds);
    try {
      ::_exit(work() ? 0 : 1);
    } catch (...) {
      ::_exit(2);
    }
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_FALSE(WIFSIGNALED(status)) << "by signal " << WTERMSIG(status);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool tells_of_the_fork(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == ErrorCode::unsupported &&
           std::string(error.what()).find("fork()") != std::string::npos;
  }
  return false;
}

class ForkTest : public testing::Test {
 protected:
  static std::vector<std::int32_t> answer(const Pipeline& pipeline) {
    return pipeline.generate(test::picture(), kInstruction, test::tokens(6)).tokens();
  }

  std::optional<Pipeline> pipeline_ =
      Pipeline::load(test::checkpoint("t5_2024"), {.threads = 2, .cache_bytes = 0});
  std::vector<std::int32_t> before_ = answer(*pipeline_);
};

TEST_F(ForkTest, AChildIsToldThatItHasNoThreads) {
  EXPECT_TRUE(holds_in_a_child([&] { return tells_of_the_fork([&] { answer(*pipeline_); }); }));
  EXPECT_TRUE(holds_in_a_child(
      [&] { return tells_of_the_fork([&] { pipeline_->encode({test::picture()}); }); }));
  EXPECT_EQ(answer(*pipeline_), before_);  // and the parent goes on
}

TEST_F(ForkTest, EachOfABatchIsToldSo) {
  const Request request{test::picture(), kInstruction, test::tokens(6)};
  EXPECT_TRUE(holds_in_a_child([&] {
    const std::vector<Response> responses = pipeline_->generate({{request, request}});
    return std::ranges::all_of(responses, [](const Response& response) {
      return response.error && response.error->code() == ErrorCode::unsupported;
    });
  }));
}

TEST_F(ForkTest, AMatcherTellsIt) {
  std::optional matcher = ImageTextMatcher::load(test::checkpoint("blip2_itm"));
  matcher->encode(test::picture());
  EXPECT_TRUE(holds_in_a_child([&] {
    const bool tells = tells_of_the_fork([&] { matcher->encode(test::picture()); });
    matcher.reset();
    return tells;
  }));
}

TEST_F(ForkTest, AnEngineTellsIt) {
  Engine engine(*pipeline_);
  const Request request{test::picture(), kInstruction, test::tokens(6)};
  EXPECT_TRUE(holds_in_a_child([&] {
    return tells_of_the_fork([&] { engine.submit(request); }) &&
           tells_of_the_fork([&] { static_cast<void>(engine.stats()); }) &&
           tells_of_the_fork([&] { Engine another(*pipeline_); });
  }));
  EXPECT_EQ(engine.submit(request).get().generation->tokens(), before_);
}

TEST_F(ForkTest, AChildMayEndWhatItHas) {
  auto engine = std::make_unique<Engine>(*pipeline_);
  EXPECT_TRUE(holds_in_a_child([&] {
    engine.reset();
    pipeline_.reset();
    return true;
  }));
}

TEST_F(ForkTest, AChildMayLoadAModelOfItsOwn) {
  EXPECT_TRUE(holds_in_a_child([&] {
    pipeline_.reset();
    return answer(Pipeline::load(test::checkpoint("t5_2024"), {.threads = 2})) == before_;
  }));
}

}  // namespace
}  // namespace instructblip
