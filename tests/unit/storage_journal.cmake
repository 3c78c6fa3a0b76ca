add_executable(storage_journal_test
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_connection.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_server.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_login.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_journal.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_damage.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_check.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_commit_watch.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_journal_failpoint.cpp
)
target_link_libraries(storage_journal_test PRIVATE ddb_storage Catch2::Catch2)
add_test(NAME storage_journal_unit COMMAND storage_journal_test)
set_tests_properties(storage_journal_unit PROPERTIES TIMEOUT 600)
