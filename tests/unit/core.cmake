add_executable(core_test ${CMAKE_CURRENT_LIST_DIR}/core_parts_test.cpp ${CMAKE_CURRENT_LIST_DIR}/core_test.cpp)
target_link_libraries(core_test PRIVATE ddb_core Catch2::Catch2)
add_test(NAME core_unit COMMAND core_test)
set_tests_properties(core_unit PROPERTIES TIMEOUT 60)
