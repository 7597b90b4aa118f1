"""The operations that migrations are made of, found on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webframe._lazy import lazy_door

if TYPE_CHECKING:
    from webframe.db.migrations.operations.base import Operation as Operation
    from webframe.db.migrations.operations.base import OperationCategory as OperationCategory
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

_HOMES = {
    "Operation": ".base",
    "OperationCategory": ".base",
    "AddField": ".fields",
    "AlterField": ".fields",
    "RemoveField": ".fields",
    "RenameField": ".fields",
    "AddConstraint": ".indexes",
    "AddIndex": ".indexes",
    "RemoveConstraint": ".indexes",
    "RemoveIndex": ".indexes",
    "RenameIndex": ".indexes",
    "CreateModel": ".models",
    "DeleteModel": ".models",
    "RenameModel": ".models",
    "AlterModelManagers": ".options",
    "AlterModelOptions": ".options",
    "AlterModelTable": ".options",
    "AlterUniqueTogether": ".options",
    "RunPython": ".special",
    "RunSQL": ".special",
    "SeparateDatabaseAndState": ".special",
}

__getattr__, __dir__ = lazy_door(__name__, _HOMES)

# Sorted, for `from webframe.db.migrations.operations import *`.
__all__ = [
    "AddConstraint",
    "AddField",
    "AddIndex",
    "AlterField",
    "AlterModelManagers",
    "AlterModelOptions",
    "AlterModelTable",
    "AlterUniqueTogether",
    "CreateModel",
    "DeleteModel",
    "Operation",
    "OperationCategory",
    "RemoveConstraint",
    "RemoveField",
    "RemoveIndex",
    "RenameField",
    "RenameIndex",
    "RenameModel",
    "RunPython",
    "RunSQL",
    "SeparateDatabaseAndState",
]
