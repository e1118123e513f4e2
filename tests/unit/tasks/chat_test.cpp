#include "instructblip/chat.h"

#include <gtest/gtest.h>

#include <fstream>
#include <stop_token>
#include <string>

#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: toys

class ChatTest : public testing::Test {
 protected:
  Chat chat(const std::string& model = "t5_2024") const {
    return {without_cache(model), picture(), {.generation = tokens(3)}};
  }
};

TEST_F(ChatTest, LanguageModelIsToldTheConversationAndTheQFormerTheQuestion) {
  Chat chat = this->chat();
  const Request first = chat.request("What is it?");
  EXPECT_EQ(first.instruction, "What is it?");
  EXPECT_EQ(first.qformer_text, "What is it?");
  const Generation answer = chat.ask("What is it?");
  EXPECT_EQ(answer.tokens(), without_cache("t5_2024").generate(first).tokens());
  ASSERT_EQ(chat.turns().size(), 1u);
  EXPECT_EQ(chat.turns()[0].answer, answer.text());
  const Request second = chat.request("Where?");
  EXPECT_EQ(second.instruction, "Dialog history: Question: What is it? Answer: " + answer.text() +
                                    ". \nQuestion: Where? Answer:");
  EXPECT_EQ(second.qformer_text, "Where?");
}

TEST_F(ChatTest, OnlyTheLatestTurnsAreTold) {
  Chat chat(without_cache("t5_2024"), picture(), {.generation = tokens(1), .max_turns = 1});
  chat.ask("One?");
  chat.ask("Two?");
  const std::string prompt = chat.request("Three?").instruction;
  EXPECT_EQ(prompt.find("One?"), std::string::npos);
  EXPECT_NE(prompt.find("Two?"), std::string::npos);
}

TEST_F(ChatTest, TurnsAreTakenBack) {
  Chat chat = this->chat();
  EXPECT_FALSE(chat.undo());
  chat.ask("What is it?");
  const Request before = chat.request("Where?");
  chat.ask("Who?");
  EXPECT_TRUE(chat.undo());
  EXPECT_EQ(chat.request("Where?").instruction, before.instruction);
  EXPECT_TRUE(chat.undo());
  EXPECT_EQ(chat.request("Where?").instruction, "Where?");
}

TEST_F(ChatTest, IsSavedAndRestored) {
  Chat one = chat(), other = chat();
  one.ask("What is \"it\"?\nAnd {question}?");
  one.ask("Where?");
  const TempDirectory directory;
  const auto file = directory.path() / "chat.json";
  one.save(file);
  other.restore(file);
  ASSERT_EQ(other.turns().size(), 2u);
  EXPECT_EQ(other.turns()[0].question, one.turns()[0].question);
  EXPECT_EQ(other.request("Who?").instruction, one.request("Who?").instruction);

  std::ofstream(directory.path() / "other.json") << "{\"turns\": 3}";
  expect_error(ErrorCode::invalid_argument, "turns",
               [&] { other.restore(directory.path() / "other.json"); });
  expect_error(ErrorCode::not_found, "none.json",
               [&] { other.restore(directory.path() / "none.json"); });
  EXPECT_EQ(other.turns().size(), 2u) << "a failed call changes nothing";
}

TEST_F(ChatTest, CancelledTurnIsNotKept) {
  Chat chat = this->chat();
  std::stop_source stop;
  stop.request_stop();
  chat.ask("What is it?", {.stop = stop.get_token()});
  EXPECT_TRUE(chat.turns().empty());
}

// Other families: Q-Formers that read nothing, and LLaVA's turns around the picture.
TEST_F(ChatTest, WorksWithEveryFamily) {
  for (const char* model : {"vicuna_2024", "blip2_opt", "llava_hub", "llava_next_hub"}) {
    SCOPED_TRACE(model);
    Chat chat = this->chat(model);
    const std::string first = chat.ask("What is it?").text();
    const Request next = chat.request("Where?");
    EXPECT_EQ(next.qformer_text.has_value(), std::string(model) == "vicuna_2024");
    if (std::string(model).starts_with("llava")) {
      EXPECT_EQ(next.instruction,
                "USER: <image>\nWhat is it? ASSISTANT: " + first + "</s>USER: Where? ASSISTANT:");
    }
    chat.ask("Where?");
    EXPECT_EQ(chat.turns().size(), 2u);
  }
}

TEST_F(ChatTest, WordsWithoutAPlaceForTheQuestionAreRefused) {
  expect_error(ErrorCode::invalid_argument, "chat: expected {question} in the words", [] {
    Chat(without_cache("t5_2024"), picture(), {.words = ChatWords{.next = "Answer:"}});
  });
}

}  // namespace
}  // namespace instructblip
