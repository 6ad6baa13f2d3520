//! One path a test, each reads like the script of its night, over the real engine and every store.

mod again;
mod duty;
mod kin;
mod paths;
mod places;
mod ready;
mod rehearsal;
mod rules;
pub mod stage;
mod updates;
mod warnings;

macro_rules! nights {
    ($engine:ident, $($file:ident: [$($test:ident),* $(,)?]),* $(,)?) => {
        mod $engine {
            $($(
                #[test]
                fn $test() {
                    super::$file::$test(super::stage::On::$engine);
                }
            )*)*
        }
    };
}
macro_rules! plays {
    ($engine:ident) => {
        nights!($engine,
            again: [
                an_act_that_a_failover_lost_is_done_again_and_only_once,
                a_permission_to_return_that_was_lost_with_the_end_waits_until_the_end_is_told,
                an_act_that_cannot_be_done_again_is_put_before_the_duty_room,
            ],
            duty: [
                a_warnings_own_task_that_nobody_claims_rings_the_shift_leader_and_his_key_takes_it_over,
                another_key_takes_nothing_over_and_an_officer_on_the_screen_stops_the_ringing,
                a_warning_that_had_expired_on_arrival_calls_nobody_and_the_duty_room_is_rung_about_it,
                somebody_who_can_only_be_rung_is_rung_about_the_end_too_and_once_more_if_he_did_not_hear,
                a_place_that_is_added_twice_is_added_once_and_who_is_called_already_is_told_by_a_person,
                the_same_message_from_another_bureau_calls_nobody_twice_until_the_first_is_over,
            ],
            kin: [
                an_update_that_names_nothing_continues_the_warning_of_the_same_hazard_and_area,
                an_update_that_covers_only_a_part_ends_nothing_of_the_older_warning,
                a_lifting_that_names_nothing_ends_the_warning_it_can_only_mean,
                the_next_stage_of_an_event_takes_the_place_of_the_one_before_and_asks_anew,
                a_stage_that_narrows_takes_the_place_of_the_one_before_only_where_it_is,
                a_forecast_of_twelve_six_and_two_hours_is_one_event_in_stages,
                a_national_identifier_is_one_warning_whatever_its_sender_is_called,
            ],
            paths: [
                the_chief_answers_by_the_button_of_his_link,
                the_chief_answers_by_reply_with_his_digit,
                the_chief_answers_by_the_asked_key,
                a_digit_answers_though_the_providers_clock_is_behind_ours_and_a_bare_word_of_before_the_ask_does_not,
                a_wrong_key_and_another_text_answer_nothing_and_an_officer_reads_the_text,
                silence_goes_redial_second_number_deputy_township_task_and_an_officer_completes_it,
                a_desks_key_takes_the_task_over_and_answers_nothing,
                an_unclaimed_task_rings_the_shift_leader,
                the_deputy_answers_for_the_posts_he_deputises,
                a_late_answer_counts_and_closes_the_task,
                an_answer_after_the_cancel_is_kept_and_the_person_is_told_how_it_ended,
                a_cancel_in_mid_call_lets_the_call_end_and_then_tells_the_end_once,
                several_asks_on_one_number_carry_their_own_digits_and_a_bare_word_asks_which,
            ],
            places: [
                the_people_of_an_added_place_are_counted_in_their_own_line,
                an_added_place_is_called_by_the_policy_that_the_warning_has_and_not_by_a_newer_one,
                a_county_that_is_added_is_pressed_for_as_the_others_are,
            ],
            rules: [
                in_a_relay_each_level_is_called_when_the_one_above_has_answered,
                in_a_relay_nobody_is_forgotten_because_a_level_sleeps,
                an_update_in_a_relay_waits_for_the_answer_to_the_older_text_too,
                each_clock_of_a_row_reminds_of_what_it_asks,
                two_lines_are_called_side_by_side_and_counted_apart,
                the_city_presses_where_a_county_is_silent_and_has_started_no_response,
                a_county_that_answers_and_responds_in_time_is_not_pressed,
                only_a_county_at_the_level_that_is_pressed_for_is_pressed_and_by_the_name_of_its_own,
                neither_the_citys_response_nor_a_townships_is_the_countys_own,
                release_and_the_permission_to_return_are_two_acts,
            ],
            ready: [
                a_number_that_a_receipt_proves_dead_is_flagged_tried_last_and_lives_again_when_it_is_heard,
                a_number_whose_owner_says_that_he_is_another_is_flagged_until_he_answers_from_it,
                a_number_that_the_clerk_changes_takes_its_flag_along,
                a_flag_is_there_for_every_gateway_and_after_a_restart,
                a_drill_is_narrowed_to_tiers_and_channels,
                a_drill_does_not_start_while_a_real_warning_runs_unless_told,
                a_drill_does_not_start_beside_a_real_warning_however_long_that_runs,
                a_drill_is_over_when_the_night_begins_and_its_tasks_are_marked,
                a_drill_that_was_asked_to_ring_at_night_goes_on_when_the_night_begins,
                a_roll_call_proves_each_number_once_and_says_who_is_left,
                a_roll_call_begins_with_who_was_tried_longest_ago,
                a_landline_is_rung_in_the_roll_call_and_proved_by_being_lifted,
                a_scheduled_drill_is_started_once_by_one_of_two_gateways,
                a_scheduled_drill_is_left_out_while_a_real_warning_runs_and_comes_next_time,
                a_schedule_that_was_missed_does_not_come_at_an_odd_hour,
            ],
            updates: [
                an_update_that_raises_the_level_calls_anew_and_the_old_answer_does_not_count,
                an_update_at_the_same_level_inherits_and_an_answer_to_the_older_text_counts,
                the_calls_go_on_after_an_update_that_came_while_one_rang,
                a_drill_is_marked_everywhere_and_a_real_warning_stops_it,
                a_person_in_two_warnings_answers_each_for_itself,
            ],
            warnings: [
                at_expiry_open_red_callouts_become_one_task_and_the_officer_extends,
                at_expiry_the_officer_ends_it_and_everybody_who_was_called_is_told,
                at_expiry_yellow_callouts_just_end,
                a_cancel_binds_only_within_its_senders_rights,
                a_cancel_that_comes_before_its_warning_is_kept_and_applied,
                who_is_no_longer_covered_by_an_update_is_released_and_told,
                a_real_warning_with_the_identifier_of_a_drill_calls_everybody,
                an_update_of_a_warning_that_was_also_rehearsed_is_not_cancelled_with_the_drill,
                a_reply_that_belongs_to_no_ask_is_read_by_an_officer,
                completing_a_call_task_with_an_empty_name_answers_nothing,
            ],
        );
    };
}
plays!(memory);
plays!(sqlite_file);
plays!(redis_on_one_server);
