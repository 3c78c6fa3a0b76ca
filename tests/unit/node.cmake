# Parts of the daemon that need no loop.
add_executable(node_test ${CMAKE_CURRENT_LIST_DIR}/node_verbs_test.cpp ${CMAKE_CURRENT_LIST_DIR}/node_audit_test.cpp
                         ${CMAKE_CURRENT_LIST_DIR}/node_transfer_test.cpp ${CMAKE_CURRENT_LIST_DIR}/node_dialler_test.cpp ${CMAKE_SOURCE_DIR}/node/dialler.cpp ${CMAKE_SOURCE_DIR}/node/own_address.cpp ${CMAKE_CURRENT_LIST_DIR}/node_own_address_test.cpp ${CMAKE_SOURCE_DIR}/node/transfer_pace.cpp
                         ${CMAKE_SOURCE_DIR}/node/audit_compare.cpp ${CMAKE_SOURCE_DIR}/node/verbs.cpp
                         ${CMAKE_SOURCE_DIR}/node/verbs_change.cpp)
target_link_libraries(node_test PRIVATE ddb_core ddb_bus ddb_session ddb_config nlohmann_json::nlohmann_json Catch2::Catch2)
add_test(NAME node_unit COMMAND node_test)
set_tests_properties(node_unit PROPERTIES TIMEOUT 60)
