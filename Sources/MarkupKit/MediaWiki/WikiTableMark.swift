import ShardKit

/// What the beginning of a line means in a table.
struct WikiTableMark {
  enum Kind { case open, close, row }
  var kind: Kind
  /// The index behind it.
  var end: Int
  /// Whether it is written with a template (`{{!}}`) that may also stand for a bar of the text.
  var isTemplate = false
}

extension WikiTableMark {
  /// Templates that stand for the marks of a table.
  static func templates() -> ByteNameTable<Kind> {
    var table = ByteNameTable<Kind>()
    table.insert(words: "! !! !- !+", .row)
    table.insert("(!", .open)
    table.insert(words: "!) end table_end end_table tableend table-end endtable 表終わり 表終 表_終わり 終わり", .close)
    return table
  }
}
