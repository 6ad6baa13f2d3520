//! The HTTP side as outside programs meet it: the router, driven request by request, on an engine over
//! each durable store with a clock that stands still until it is moved and a carrier that takes everything.

mod answers;
mod directory;
mod guard;
mod intake;
pub mod kit;
mod live;
mod officers;
mod providers;
mod readiness;
mod reading;
mod rollout;
mod rollup;
mod sources;

use crate::conformance::fresh;

macro_rules! serves {
    ($engine:ident) => {
        every_test!($engine,
            answers: [
                looking_changes_nothing_and_the_button_answers,
                an_unknown_token_is_told_so_in_chinese_and_an_unknown_button_too,
                a_report_of_nothing_is_a_report_and_a_full_one_is_shown_in_the_contracts_shape,
                who_answers_for_several_places_reports_for_each_or_says_that_all_is_well_at_all_of_them,
                not_me_is_no_answer_and_the_ladder_runs_on,
                what_is_said_twice_is_answered_on_the_strength_of_what_is_durable_alone,
                after_the_end_the_page_tells_how_it_ended_and_the_answer_is_kept,
                a_drill_is_marked_on_its_page_and_counted_apart,
            ],
            directory: [
                a_person_is_added_changed_and_removed_and_the_history_keeps_the_old_number,
                a_place_does_not_lose_its_last_person_unless_told,
                a_token_bound_to_a_division_edits_that_division_only,
                points_and_rotas_are_edited_and_read,
            ],
            guard: [
                every_route_refuses_callers_without_a_key_and_with_every_wrong_role,
                every_row_of_the_table_is_served,
                a_path_or_method_that_does_not_exist_is_a_problem_too,
                a_browsers_password_opens_what_reads_and_nothing_that_writes,
                no_answer_may_be_cached_sniffed_framed_or_tell_its_address_elsewhere,
            ],
            intake: [
                a_warning_is_accepted_once_and_known_again,
                a_repeat_is_answered_on_the_strength_of_what_is_durable_alone,
                cap_is_accepted_under_each_of_its_content_types,
                bad_input_gets_the_contracts_answer_and_leaves_nothing_but_a_record,
                unknown_divisions_beside_a_known_one_are_a_finding,
                a_signed_webhook_is_accepted_within_its_window_and_its_replay_changes_nothing,
                a_flood_from_nobody_does_not_fill_the_duty_rooms_screen,
                past_its_rate_an_issuer_waits_but_red_never_does,
                what_cannot_be_made_durable_is_not_accepted,
                an_issuer_sees_and_cancels_its_own_warnings_only,
                a_message_from_the_future_is_taken_in_and_the_clock_is_asked_about,
                an_issuer_warns_only_in_its_levels,
                cap_of_an_issuer_with_pinned_keys_must_be_signed_by_one_of_them,
            ],
            live: [
                live_events_resume_where_they_stopped_and_end_when_the_gateway_does,
                a_bound_token_hears_of_its_own_division_only,
                a_callback_with_the_right_secret_is_kept_and_answered_in_the_providers_way,
                those_who_run_it_read_health_metrics_and_the_api_document,
                the_status_page_shows_tallies_open_callouts_and_tasks_with_masked_numbers,
            ],
            readiness: [
                coverage_is_paged_filtered_and_bound_to_a_division,
                the_coverage_page_works_without_script_and_is_linked_from_the_status_page,
                the_directory_is_confirmed_for_the_year,
                whom_a_hazard_calls_now_and_through_which_doors,
                a_rehearsal_tells_everything_and_does_nothing,
                a_drill_has_a_list_and_a_report_of_its_own,
                the_roll_is_called_and_looked_over,
            ],
            officers: [
                an_officers_entry_is_an_answer_and_says_who_entered_it,
                silence_becomes_a_task_that_is_claimed_and_signed_off,
                somebody_who_rings_back_is_found_by_number_and_by_name,
                a_warning_is_extended_and_widened,
                the_leader_is_rung_about_a_task_nobody_claims_and_the_warning_shows_the_calls,
            ],
            providers: [
                an_operators_pin_wins_until_it_ends_and_says_who_gave_it,
                an_account_is_taken_out_and_put_back_but_not_the_last_of_its_channel,
                accounts_serve_everybody_so_a_bound_token_orders_nothing,
            ],
            reading: [
                a_tally_has_the_contracts_fields_and_its_sum_is_expected,
                warnings_are_listed_newest_first_filtered_and_paged,
                one_warning_shows_its_content_in_the_native_json_and_its_policy,
                the_forecast_says_when_it_will_be_done_and_whom_no_call_reaches_in_time,
                callouts_have_the_contracts_fields_and_every_open_one_says_what_comes_next,
                numbers_are_masked_unless_an_operator_asks,
                a_token_bound_to_a_division_sees_that_division_only,
                the_directory_is_read_page_by_page_and_taken_in_from_a_sheet,
            ],
            sources: [
                a_platform_posts_its_own_json_and_is_answered_as_the_contract_says,
                a_body_of_several_warnings_is_answered_item_by_item,
                past_its_rate_a_platform_waits_unless_a_red_one_is_in_the_body,
                a_watched_folder_takes_whole_files_once_and_gives_every_refusal_its_reason,
                a_polled_address_is_asked_for_changes_only_and_its_silence_is_told,
            ],
            rollup: [
                feedback_is_summed_up_live_and_traced_to_the_reports_that_count,
                people_are_told_to_return_by_an_act_of_its_own_after_the_end,
                the_policy_is_explained_in_chinese_and_its_versions_are_kept,
            ],
            rollout: [
                a_callout_with_a_field_of_a_newer_version_is_left_to_that_and_shown_all_the_same,
                a_warning_with_a_field_of_a_newer_version_is_not_changed_and_its_people_are_called,
                a_letter_of_a_newer_version_is_kept_until_that_reads_it,
                a_line_of_a_newer_version_holds_its_own_messages_and_nobody_elses,
            ],
        );
    };
}
serves!(sqlite_file);
serves!(redis_on_one_server);
