add_executable(storage_database_test
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_events.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_mysql.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_support.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_replicate.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_recovery.cpp
  ${CMAKE_CURRENT_LIST_DIR}/storage_database_transfer.cpp
)
target_link_libraries(storage_database_test PRIVATE ddb_storage Catch2::Catch2)
target_compile_definitions(storage_database_test PRIVATE DDB_CLIENT_TOOLS="${CMAKE_SOURCE_DIR}/.cache/debs/mariadb-client/usr/bin")
add_test(NAME storage_database_unit COMMAND storage_database_test)
set_tests_properties(storage_database_unit PROPERTIES TIMEOUT 600)
