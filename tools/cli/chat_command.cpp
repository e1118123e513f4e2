// instructblip chat: a conversation about a picture.
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "cli/text_input.h"
#include "cli/whole_file.h"
#include "instructblip/chat.h"

namespace instructblip::cli {
namespace {

// Lines of standard input as they come. Ctrl-C ends the wait for one, which std::getline() would
// not notice.
class Lines {
 public:
  explicit Lines(const Interrupt& interrupt) : interrupt_(interrupt) {}

  // None at the end of the input, or where Ctrl-C was typed.
  std::optional<std::string> next() {
    std::size_t end = 0;
    while ((end = held_.find('\n')) == std::string::npos) {
      if (ended_ && held_.empty()) return std::nullopt;
      if (ended_) return std::exchange(held_, {});
      if (interrupt_.requested()) return std::nullopt;
      read_more();
    }
    std::string line = held_.substr(0, end);
    held_.erase(0, end + 1);
    return line;
  }

 private:
  void read_more() {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    constexpr int kMilliseconds = 50;
    if (::poll(&input, 1, kMilliseconds) == 0) return;
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count > 0) held_.append(bytes.data(), static_cast<std::size_t>(count));
    ended_ = count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
  }

  const Interrupt& interrupt_;
  std::string held_;
  bool ended_ = false;
};

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
      if (failure.code() == ExitCode::fault && !line.starts_with("/")) throw;
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
      if (name == "/save") check_output(session_.settings, "/save", file);
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

// Until the conversation is over.
void talk(Session& session, Dialogue& dialogue, const std::vector<std::string>& questions,
          bool is_dialogue) {
  bool goes_on = true;
  for (const std::string& question : questions) goes_on = goes_on && dialogue.take(question);
  Lines lines(session.interrupt);
  while (goes_on && session.settings.task.questions.empty()) {
    if (is_dialogue) session.progress.print("> ");
    std::optional<std::string> line = lines.next();
    if (!line) break;
    if (line->ends_with('\r')) line->pop_back();
    if (!line->empty()) goes_on = dialogue.take(*line);
  }
}

ExitCode chat(Session& session) {
  const Settings& settings = session.settings;
  during(Stage::request, [&] { validate(settings.generation); });
  PictureList list = list_pictures(session);
  check_output(settings, "--save", settings.task.save, list.names);
  const std::vector<std::string> questions = texts_or_lines(settings.task.questions);
  Pictures pictures(std::move(list), session);
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
  const auto save = [&] {
    if (settings.task.save.empty()) return;
    during(Stage::request, [&] { chat.save(settings.task.save); });
  };
  try {
    talk(session, dialogue, questions, is_dialogue);
  } catch (const Failure&) {  // what has been said stays
    save();
    throw;
  }
  save();
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
