// instructblip chat: a conversation about a picture.
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "instructblip/chat.h"

namespace instructblip::cli {
namespace {

constexpr std::string_view kHelp =
    "/undo takes the last turn back, /save FILE and /restore FILE keep the conversation, "
    "/quit ends it\n";

class Dialogue {
 public:
  Dialogue(Session& session, Chat& chat, const Pipeline& pipeline, Subject subject)
      : session_(session), chat_(chat), pipeline_(pipeline), subject_(std::move(subject)) {}

  // False: the conversation is over. What is wrong with one line does not end it.
  bool take(const std::string& line) {
    try {
      return line.starts_with("/") ? command(line) : ask(line);
    } catch (const Failure& failure) {
      session_.progress.print("error: " + std::string(failure.what()) + "\n");
      failed_ = true;
      return true;
    }
  }
  bool failed() const { return failed_; }

 private:
  bool ask(const std::string& question) {
    Control control;
    control.stop = session_.interrupt.token();
    control.on_token = [&](const TokenEvent& event) {
      if (!session_.settings.json) {
        session_.clear_line();
        session_.output.write(harmless(event.text));
      }
      return session_.output.closed() ? Flow::cancel : Flow::go;
    };
    const Generation generation =
        during(Stage::request, [&] { return chat_.ask(question, control); });
    subject_.instruction = question;
    session_.output.write(session_.settings.json
                              ? to_json(generation, subject_, session_.settings, pipeline_.info()) +
                                    "\n"
                              : "\n");
    return !session_.interrupt.requested() && !session_.output.closed();
  }

  bool command(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string file = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/undo") {
      if (!chat_.undo()) throw Failure(ExitCode::usage, "/undo: nothing has been said");
    } else if ((name == "/save" || name == "/restore") && !file.empty()) {
      during(Stage::request, [&] { name == "/save" ? chat_.save(file) : chat_.restore(file); });
    } else {
      session_.progress.print(kHelp);
    }
    return true;
  }

  Session& session_;
  Chat& chat_;
  const Pipeline& pipeline_;
  Subject subject_;
  bool failed_ = false;
};

ExitCode chat(Session& session) {
  const Settings& settings = session.settings;
  during(Stage::request, [&] { validate(settings.generation); });
  Pictures pictures(list_pictures(session), session);
  const Pipeline pipeline = session.load_pipeline();
  const std::size_t each = pictures_that_go_together(pipeline, pictures.list());
  if (each != pictures.size()) {
    throw Failure(ExitCode::usage,
                  "chat: expected one picture, got " + std::to_string(pictures.size()) +
                      "\n  hint: a conversation is about one picture, or the frames of a video");
  }
  const Interrupt::Graceful graceful(session.interrupt);
  const auto shown = take(session, pictures, 0, each);
  Chat chat = during(Stage::request, [&] {
    return Chat(pipeline, shown->pictures(), {.generation = settings.generation});
  });
  if (!settings.task.restore.empty()) {
    during(Stage::request, [&] { chat.restore(settings.task.restore); });
  }
  Dialogue dialogue(session, chat, pipeline, shown->subject());
  const bool is_dialogue = ::isatty(STDIN_FILENO) == 1 && settings.task.questions.empty();
  if (is_dialogue) session.progress.print(kHelp);
  bool goes_on = true;
  for (const std::string& question : settings.task.questions) {
    goes_on = goes_on && dialogue.take(question);
  }
  for (std::string line; goes_on && settings.task.questions.empty();) {
    if (is_dialogue) session.progress.print("> ");
    if (!std::getline(std::cin, line)) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) goes_on = dialogue.take(line);
  }
  if (!settings.task.save.empty()) {
    during(Stage::request, [&] { chat.save(settings.task.save); });
  }
  if (session.interrupt.requested()) return ExitCode::interrupted;
  return dialogue.failed() && !is_dialogue ? ExitCode::usage : session.end();
}

constexpr Takes kTakes[] = {Group::model, "image",       "images-from",   Group::video,
                            "question",   Group::answer, Group::pictures, Group::running,
                            "restore",    "save",        "logprobs",      "json",
                            "quiet"};
constexpr Takes kNeeds[] = {"model", "image"};

}  // namespace

extern const Command kChat = {
    .name = "chat",
    .usage = "--model DIR --image FILE",
    .help = "talk about a picture: questions from the terminal or standard input, one a line",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = chat,
};

}  // namespace instructblip::cli
