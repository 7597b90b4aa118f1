"""What a database can do, in Django's words; each backend fills in what differs."""

from __future__ import annotations

from typing import Any


class Features:
    """What a database can do. `wrapper` is the one of the alias: some answers depend on the version of its server."""

    def __init__(self, wrapper: Any) -> None:
        self.connection = wrapper

    # --- rows
    can_return_from_insert = False
    can_return_columns_from_insert = property(lambda self: self.can_return_from_insert)
    can_return_rows_from_bulk_insert = property(lambda self: self.can_return_from_insert)
    has_bulk_insert = True
    supports_ignore_conflicts = True
    supports_update_conflicts = True
    supports_update_conflicts_with_target = True
    # How many parameters a statement may have; None: no limit that anybody reaches.
    max_query_params: int | None = None
    # Whether there is UPDATE ... FROM, and it is of use.
    can_update_from = False
    supports_nulls_first_last = True
    supports_order_by_nulls_modifier = property(lambda self: self.supports_nulls_first_last)
    supports_json_field = True
    supports_regex_backreferencing = True
    supports_over_clause = True
    supports_aggregate_filter_clause = True
    supports_slicing_ordering_in_compound = True
    supports_select_intersection = True
    supports_select_difference = True
    supports_explaining_query_execution = True
    interprets_empty_strings_as_nulls = False
    greatest_least_ignores_nulls = False
    # Whether all values of a column are of its type, or NULL.
    has_typed_columns = False
    has_native_uuid_field = False
    has_native_duration_field = False
    supports_microsecond_precision = True
    supports_timezones = False
    # Whether a column of type boolean comes back as one, without our help.
    has_native_boolean = False

    # --- locks
    has_select_for_update = False
    supports_select_for_update = property(lambda self: self.has_select_for_update)
    has_select_for_update_nowait = False
    has_select_for_update_skip_locked = False
    has_select_for_update_of = False
    has_select_for_no_key_update = False

    # --- transactions
    supports_transactions = True
    uses_savepoints = True
    can_release_savepoints = True
    can_rollback_ddl = False
    atomic_transactions = True
    autocommits_when_autocommit_is_off = False
    # Whether iterator() can have rows sent as they are asked for on the connection that is in use.
    can_use_chunked_reads = True
    # Whether a cursor of the server can be beside other queries on one connection.
    streams_need_own_connection = False
    test_db_allows_multiple_connections = True

    # --- constraints and tables
    supports_foreign_keys = True
    can_defer_constraint_checks = False
    supports_deferrable_unique_constraints = False
    supports_table_check_constraints = True
    supports_column_check_constraints = True
    supports_partial_indexes = False
    supports_expression_indexes = False
    supports_covering_indexes = False
    supports_nulls_distinct_unique_constraints = False
    supports_comments = False
    supports_comments_inline = False
    supports_identity_column = False
    supports_stored_generated_columns = True
    supports_tablespaces = False
    has_zoneinfo_database = True


class Operations:
    """The few things about SQL that code outside of the compiler wants to know."""

    def __init__(self, wrapper: Any) -> None:
        self.connection = wrapper

    def quote_name(self, name: str) -> str:
        """A name as an identifier in SQL, whatever characters it has."""
        return str(self.connection.dialect.identifier_preparer.quote_identifier(name))

    def max_name_length(self) -> int:
        """How many characters a name may have."""
        return int(self.connection.dialect.max_identifier_length)

    def convert(self, sql: str, params: Any) -> str:
        """SQL with ``%s`` and ``%(name)s`` for parameters, as users write it, in the style of the driver."""
        return sql

    def bulk_batch_size(self, fields: Any, objects: Any) -> int:
        """How many of these objects fit into one statement, with a parameter for each of the fields."""
        limit = self.connection.features.max_query_params
        if limit is None or not fields:
            return max(len(objects), 1)
        return max(int(limit) // len(fields), 1)
