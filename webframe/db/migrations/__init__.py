"""What people write as `migrations.` in a migration: `Migration` and the operations, found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.db.migrations import operations as operations
    from webframe.db.migrations.migration import Migration as Migration
    from webframe.db.migrations.migration import swappable_dependency as swappable_dependency
    from webframe.db.migrations.operations.fields import AddField as AddField
    from webframe.db.migrations.operations.fields import AlterField as AlterField
    from webframe.db.migrations.operations.fields import RemoveField as RemoveField
    from webframe.db.migrations.operations.fields import RenameField as RenameField
    from webframe.db.migrations.operations.indexes import AddConstraint as AddConstraint
    from webframe.db.migrations.operations.indexes import AddIndex as AddIndex
    from webframe.db.migrations.operations.indexes import RemoveConstraint as RemoveConstraint
    from webframe.db.migrations.operations.indexes import RemoveIndex as RemoveIndex
    from webframe.db.migrations.operations.indexes import RenameIndex as RenameIndex
    from webframe.db.migrations.operations.models import CreateModel as CreateModel
    from webframe.db.migrations.operations.models import DeleteModel as DeleteModel
    from webframe.db.migrations.operations.models import RenameModel as RenameModel
    from webframe.db.migrations.operations.options import AlterModelManagers as AlterModelManagers
    from webframe.db.migrations.operations.options import AlterModelOptions as AlterModelOptions
    from webframe.db.migrations.operations.options import AlterModelTable as AlterModelTable
    from webframe.db.migrations.operations.options import AlterUniqueTogether as AlterUniqueTogether
    from webframe.db.migrations.operations.special import RunPython as RunPython
    from webframe.db.migrations.operations.special import RunSQL as RunSQL
    from webframe.db.migrations.operations.special import SeparateDatabaseAndState as SeparateDatabaseAndState

# The names of each file.
_NAMES = {
    "": "operations",
    ".migration": "Migration swappable_dependency",
    ".operations.fields": "AddField AlterField RemoveField RenameField",
    ".operations.indexes": "AddConstraint AddIndex RemoveConstraint RemoveIndex RenameIndex",
    ".operations.models": "CreateModel DeleteModel RenameModel",
    ".operations.options": "AlterModelManagers AlterModelOptions AlterModelTable AlterUniqueTogether",
    ".operations.special": "RunPython RunSQL SeparateDatabaseAndState",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_door(__name__, _HOMES)
