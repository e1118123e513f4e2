// instructblip batch: many requests from a file or a folder, into a file.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/batch_items.h"
#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/session.h"
#include "cli/text_input.h"
#include "cli/whole_file.h"
#include "instructblip/engine.h"

namespace instructblip::cli {
namespace {

// Items that are read ahead of the one that is written next: with their pictures they take memory.
constexpr std::size_t kAhead = 64;
constexpr unsigned kMostReaders = 4;

// Reads and decodes in threads of its own, ahead of the engine, which answers several at once. Rows
// are written in the order of the items.
class BatchRun {
 public:
  BatchRun(Session& session, const Pipeline& pipeline, std::vector<BatchItem> items,
           AnswerFile& answers)
      : session_(session),
        pipeline_(pipeline),
        items_(std::move(items)),
        answers_(answers),
        left_(answers.kept()),
        options_(fingerprint(session.settings, pipeline.info())),
        results_(items_.size()),
        engine_(pipeline) {}

  ~BatchRun() { stop(); }
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;

  ExitCode run() {
    const unsigned readers = std::clamp(std::thread::hardware_concurrency(), 1U, kMostReaders);
    for (unsigned i = 0; i < readers; ++i) readers_.emplace_back([this] { read_items(); });
    session_.progress.begin("answering", Progress::Unit::pictures);
    const auto total =
        static_cast<std::int64_t>(items_.size() - std::min(items_.size(), answers_.kept_count()));
    std::int64_t written = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const std::optional<Result> result = wait_for(i);
      if (!result) return ExitCode::interrupted;
      if (result->row.empty()) continue;  // answered before
      answers_.write(result->row);
      if (!result->fault.empty() && failed_++ == 0) {
        first_fault_ = "item " + std::to_string(i) + ": " + result->fault;
      }
      session_.progress.update(++written, total);
    }
    session_.progress.end();
    tell(static_cast<std::size_t>(written));
    return failed_ > 0 ? ExitCode::partial : ExitCode::success;
  }

 private:
  struct Result {
    std::string row;    // empty: nothing to write
    std::string fault;  // what was wrong with the item; else empty
  };

  void tell(std::size_t written) {
    const std::size_t kept = items_.size() - written;
    if (session_.settings.json) {
      session_.output.write("{\"written\":" + std::to_string(written) +
                            ",\"kept\":" + std::to_string(kept) +
                            ",\"errors\":" + std::to_string(failed_) + "}\n");
    } else if (!session_.settings.quiet) {
      session_.progress.print(std::to_string(written) + " written, " + std::to_string(failed_) +
                              " of them errors; " + std::to_string(kept) + " kept\n");
    }
    if (failed_ == 0) return;
    session_.progress.print(
        "error: " + std::to_string(failed_) + " of " + std::to_string(items_.size()) +
        " items failed, the first: " + harmless(on_one_line(first_fault_)) + "\n");
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& reader : readers_) reader.join();
    readers_.clear();
  }

  // The result of item `i`, once it is there; none where Ctrl-C came first.
  std::optional<Result> wait_for(std::size_t i) {
    std::unique_lock lock(mutex_);
    while (!results_[i]) {
      if (session_.interrupt.requested()) return std::nullopt;
      changed_.wait_for(lock, std::chrono::milliseconds(50));
    }
    Result result = std::move(*results_[i]);
    written_ = i + 1;
    changed_.notify_all();
    if (session_.interrupt.requested()) return std::nullopt;  // it may have been cut short
    return result;
  }

  void put(std::size_t i, Result result) {
    {
      const std::lock_guard lock(mutex_);
      results_[i] = std::move(result);
    }
    changed_.notify_all();
  }

  // What each reader does: the next item that nobody has taken, as long as it is not too far ahead.
  void read_items() {
    while (true) {
      std::size_t i = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || next_ < written_ + kAhead; });
        if (stopping_ || next_ >= items_.size()) return;
        i = next_++;
      }
      read_item(i);
    }
  }

  void read_item(std::size_t i) {
    const BatchItem& item = items_[i];
    std::string key;
    try {
      Digest digest;
      digest.add(options_);
      digest.add(item.instruction);
      digest.add(item.qformer_text.value_or("\n"));
      digest.add(item.fault);
      if (!item.fault.empty()) throw Failure(ExitCode::usage, item.fault);
      if (item.is_video) return read_video_item(i, digest, key);
      std::vector<std::string> files;
      for (const std::string& name : item.pictures) files.push_back(bytes_of(name, digest));
      key = digest.text();
      if (is_answered(key)) return put(i, {});
      std::vector<Image> images;
      for (std::size_t n = 0; n < files.size(); ++n) {
        images.push_back(during(Stage::picture, [&] {
          return Image::decode(std::as_bytes(std::span(files[n])), session_.settings.decode,
                               item.pictures[n]);
        }));
      }
      submit(i, key, images, subject_of(i));
    } catch (const Failure& failure) {
      put(i, failed(i, key, failure));
    } catch (const std::bad_alloc&) {
      put(i, failed(i, key, Failure(ExitCode::memory, "out of memory")));
    }
  }

  // The same of a video, whose file may be larger than memory.
  void read_video_item(std::size_t i, Digest& digest, std::string& key) {
    const BatchItem& item = items_[i];
    const VideoOptions& video = session_.settings.video;
    for (const std::string& file : files_of_video(item.pictures)) digest.add_file(file);
    if (item.pictures.size() == 1) {
      digest.add(std::to_string(video.frames) + " " +
                 std::to_string(static_cast<int>(video.sampling)) + " " +
                 std::to_string(video.seed));
    }
    key = digest.text();
    if (is_answered(key)) return put(i, {});
    Picture read =
        during(Stage::picture, [&] { return read_video(item.pictures, session_.settings); });
    Subject subject = subject_of(i);
    subject.frames = std::move(read.places);
    submit(i, key, Video(std::move(read.images)), subject);
  }

  std::string bytes_of(const std::string& name, Digest& digest) const {
    try {
      std::string bytes =
          read_regular(name, static_cast<std::size_t>(session_.settings.decode.max_bytes));
      digest.add(bytes);
      return bytes;
    } catch (const Failure& failure) {
      throw Failure(ExitCode::image, failure.what());
    }
  }

  // Whether the file has an answer to it, which is then used up.
  bool is_answered(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = left_.find(key);
    if (found == left_.end() || found->second == 0) return false;
    --found->second;
    return true;
  }

  void submit(std::size_t i, const std::string& key, const instructblip::Pictures& pictures,
              const Subject& subject) {
    const BatchItem& item = items_[i];
    const Request request{pictures, item.instruction, session_.settings.generation,
                          item.qformer_text};
    const auto done = [this, i, key, subject](Response response) {
      if (response.error) {
        put(i, failed(i, key, failure_of(*response.error, Stage::request)));
      } else {
        put(i, {row_of(i, key,
                       to_json(*response.generation, subject, session_.settings, pipeline_.info())),
                ""});
      }
    };
    while (true) {
      try {
        return engine_.submit(request, {.stop = session_.interrupt.token()}, done);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::busy) {
          throw failure_of(error, Stage::request);
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // until some have been answered
    }
  }

  Subject subject_of(std::size_t i) const {
    const BatchItem& item = items_[i];
    return {item.pictures.empty() ? std::vector<std::string>{""} : item.pictures, item.instruction,
            /*are_features=*/false, item.is_video};
  }

  Result failed(std::size_t i, const std::string& key, const Failure& failure) const {
    return {row_of(i, key, to_json(failure, failure.what(), subject_of(i))), failure.what()};
  }

  // {"key": ..., "index": ..., "id": ..., and the fields of the object}.
  std::string row_of(std::size_t i, const std::string& key, const std::string& object) const {
    const std::string id = items_[i].id.empty() ? "" : ",\"id\":" + items_[i].id;
    return "{\"key\":\"" + key + "\",\"index\":" + std::to_string(i) + id + "," + object.substr(1);
  }

  Session& session_;
  const Pipeline& pipeline_;
  const std::vector<BatchItem> items_;
  AnswerFile& answers_;
  std::size_t failed_ = 0;
  std::string first_fault_;

  std::mutex mutex_;  // guards what follows, up to stopping_
  std::condition_variable changed_;
  std::map<std::string, std::size_t> left_;  // answers of the file that no item has used up
  const std::string options_;
  std::vector<std::optional<Result>> results_;
  std::size_t next_ = 0, written_ = 0;
  bool stopping_ = false;

  std::vector<std::thread> readers_;
  Engine engine_;
};

ExitCode batch(Session& session) {
  const Settings& settings = session.settings;
  during(Stage::request, [&] { validate(settings.generation); });
  check_video_options(settings);
  std::vector<BatchItem> items = read_items(session, settings.task.input);
  check_not_read(settings, "--output", settings.output);
  std::optional<AnswerFile> answers;
  {
    const Interrupt::Graceful writing(session.interrupt);  // what is kept is written whole
    answers.emplace(settings.output, settings.task.resume, "--resume goes on where it ends");
  }
  if (session.interrupt.requested()) return ExitCode::interrupted;
  const Pipeline pipeline = session.load_pipeline();
  const Interrupt::Graceful graceful(session.interrupt);
  BatchRun run(session, pipeline, std::move(items), *answers);
  return run.run();
}

constexpr Takes kTakes[] = {Group::model,   "input",      "instruction", "frames",
                            "sampling",     "frame-seed", Group::answer, Group::pictures,
                            Group::running, "output",     "resume",      "logprobs",
                            "json",         "quiet"};
constexpr Takes kNeeds[] = {"model", "input", "output"};

}  // namespace

extern const Command kBatch = {
    .name = "batch",
    .usage = "IN.jsonl|DIR -o OUT.jsonl --model DIR [--instruction TEXT] [--resume]",
    .help = "answer many requests from a file or a folder into a file, and go on where it ended",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = batch,
    .stray = "input",
};

}  // namespace instructblip::cli
