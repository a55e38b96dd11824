#include "engine/channel.h"

#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <gptoss/error.h>

namespace gptoss {
namespace {

template <typename T>
void append(std::vector<T>& to, std::vector<T>&& from) {
  if (to.empty())
    to = std::move(from);
  else
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Completion::Channel::~Channel() {
  if (event_ >= 0) ::close(event_);
}

void Completion::Channel::push(Chunk&& chunk) {
  const std::lock_guard lock(mutex_);
  if (!pending_) {
    pending_ = std::move(chunk);
  } else {
    append(pending_->tokens, std::move(chunk.tokens));
    append(pending_->logprobs, std::move(chunk.logprobs));
    append(pending_->top_logprobs, std::move(chunk.top_logprobs));
    append(pending_->prompt_logits, std::move(chunk.prompt_logits));
    append(pending_->steps, std::move(chunk.steps));
    pending_->n_prompt = chunk.n_prompt;
    pending_->finish_reason = chunk.finish_reason;
    pending_->stats = chunk.stats;
  }
  signal();
}

void Completion::Channel::fail(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  signal();
}

std::optional<Chunk> Completion::Channel::next(std::optional<std::chrono::nanoseconds> timeout) {
  std::unique_lock lock(mutex_);
  if (timeout)
    ready_.wait_for(lock, *timeout, [this] { return is_ready(); });
  else
    ready_.wait(lock, [this] { return is_ready(); });
  if (pending_) {
    std::optional<Chunk> chunk = std::exchange(pending_, std::nullopt);
    finished_ = chunk->finish_reason != FinishReason::none;
    if (!is_ready()) unsignal();
    return chunk;
  }
  if (error_) std::rethrow_exception(error_);
  if (finished_) throw RequestError("the request has finished; it has no further chunks");
  return std::nullopt;
}

int Completion::Channel::fd() {
  const std::lock_guard lock(mutex_);
  if (event_ < 0) {
    event_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_ < 0)
      throw Error(std::string("cannot open a descriptor for a stream: ") + std::strerror(errno) +
                  "; run fewer streams at once or raise the limit of open files");
    if (is_ready()) signal();
  }
  return event_;
}

// Callers hold the lock.
void Completion::Channel::signal() {
  ready_.notify_all();
  if (event_ >= 0) ::eventfd_write(event_, 1);
}

void Completion::Channel::unsignal() {
  eventfd_t count;
  if (event_ >= 0) ::eventfd_read(event_, &count);
}

Completion::Completion(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
Completion::~Completion() { cancel(); }
std::optional<Chunk> Completion::next_chunk(std::optional<std::chrono::nanoseconds> timeout) {
  return channel_->next(timeout);
}
void Completion::cancel() { channel_->cancel(); }
int Completion::fd() { return channel_->fd(); }

}  // namespace gptoss
