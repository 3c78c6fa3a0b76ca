set(here ${CMAKE_CURRENT_LIST_DIR})
add_executable(session_test ${here}/session_calculation_hints.cpp ${here}/session_classifier.cpp ${here}/session_crash_traces.cpp ${here}/session_pipeline.cpp ${here}/session_parts.cpp
               ${here}/session_hidden_texts.cpp ${here}/session_keyless_tables.cpp ${here}/session_last_statement.cpp ${here}/session_own_names.cpp ${here}/session_read_balancer.cpp ${here}/session_routine_tables.cpp ${here}/session_said_again.cpp
               ${here}/session_settings.cpp ${here}/session_sql_scan.cpp ${here}/session_tracking.cpp
               ${here}/session_table_locks.cpp ${here}/session_temporary_engine.cpp ${here}/session_temporary_tables.cpp ${here}/session_user_locks.cpp
               ${here}/session_servers_own.cpp ${here}/session_zone_keys.cpp)
target_link_libraries(session_test PRIVATE ddb_session Catch2::Catch2)
add_test(NAME session_unit COMMAND session_test)
set_tests_properties(session_unit PROPERTIES TIMEOUT 60)

# Starts a real server of its own.
add_executable(session_engine_test ${here}/session_engine_test.cpp ${here}/session_answers.cpp ${here}/session_begin.cpp
               ${here}/session_balance.cpp ${here}/session_client_file.cpp ${here}/session_definitions.cpp ${here}/session_functions.cpp ${here}/session_handlers.cpp
               ${here}/session_hidden_writes.cpp ${here}/session_left_state.cpp ${here}/session_lock_tables.cpp ${here}/session_read_lock.cpp
               ${here}/session_names.cpp ${here}/session_procedures.cpp ${here}/session_read_only.cpp ${here}/session_support.cpp)
target_link_libraries(session_engine_test PRIVATE ddb_session Catch2::Catch2)
add_test(NAME session_engine COMMAND session_engine_test)
set_tests_properties(session_engine PROPERTIES TIMEOUT 300)
