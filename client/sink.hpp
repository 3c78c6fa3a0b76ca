// Where results go: standard output, a pager, and a copy in a file. Not thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ddb::client {

class Sink {
  public:
    virtual ~Sink() = default;
    virtual void write(std::string_view bytes) = 0;
    virtual void flush() {}
    // Errno of the first write that failed; 0 while all is well. What comes later is dropped.
    [[nodiscard]] virtual int failure() const { return 0; }
};

class FdSink : public Sink {
  public:
    explicit FdSink(int fd) : fd_(fd) {}
    ~FdSink() override { flush(); }
    FdSink(const FdSink&) = delete;
    FdSink& operator=(const FdSink&) = delete;

    void write(std::string_view bytes) override;
    void flush() override;
    [[nodiscard]] int failure() const override { return failure_; }
    // Another descriptor from here on (pager); flushes first. The caller owns both.
    void redirect(int fd);

  private:
    void write_out(std::string_view bytes);
    int fd_;
    int failure_ = 0;
    std::string buffer_;
};

// Writes to the first and, while one is set, to the second as well.
class TeeSink : public Sink {
  public:
    explicit TeeSink(Sink& main) : main_(main) {}
    void copy_to(Sink* copy) { copy_ = copy; }
    void write(std::string_view bytes) override;
    void flush() override;
    [[nodiscard]] int failure() const override { return main_.failure(); }

  private:
    Sink& main_;
    Sink* copy_ = nullptr;
};

}  // namespace ddb::client
