// The file that a server may ask a connection for (LOAD … LOCAL): what is offered, while it is, and nothing of this
// host's disk, ever. Part of a Connection, same thread.
#pragma once

#include <mysql.h>

#include "node/storage/file_for_server.hpp"

namespace ddb::storage {

class OfferedFile {
  public:
    // Before connecting; the file must stay where it is as long as the connection.
    void attach(MYSQL* mysql);

    // `content` must outlive the offer.
    class Offer {
      public:
        explicit Offer(OfferedFile& file) : file_(file) {}
        ~Offer() { file_.content_ = nullptr; }
        Offer(const Offer&) = delete;
        Offer& operator=(const Offer&) = delete;

      private:
        OfferedFile& file_;
    };
    [[nodiscard]] Offer offer(FileForServer& content) {
        content_ = &content;
        return Offer(*this);
    }

  private:
    // https://mariadb.com/kb/en/mysql_set_local_infile_handler/
    static int begin(void** state, const char* name, void* self);
    static int read(void* state, char* buffer, unsigned bytes);
    static void end(void* state);
    static int tell_error(void* state, char* text, unsigned bytes);

    FileForServer* content_ = nullptr;
};

}  // namespace ddb::storage
