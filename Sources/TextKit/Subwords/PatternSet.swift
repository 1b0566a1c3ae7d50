/// A set of characters of a pattern: unions of general categories, ranges and their complements.
struct PatternSet: Equatable, Sendable {
  struct Item: Equatable, Sendable {
    /// Bits by place in `PatternSet.categories`.
    var categories: UInt32 = 0
    var ranges: [ClosedRange<UInt32>] = []
    var isComplement = false

    func contains(_ scalar: UInt32) -> Bool {
      let found =
        categories >> UInt32(PatternSet.categoryTable[scalar]) & 1 != 0 || ranges.contains { $0.contains(scalar) }
      return found != isComplement
    }
  }

  var items: [Item] = []
  var isComplement = false

  func contains(_ scalar: UInt32) -> Bool { items.contains { $0.contains(scalar) } != isComplement }

  /// The scalar of a set of one.
  var onlyScalar: UInt32? {
    guard items.count == 1, !isComplement, !items[0].isComplement, items[0].categories == 0,
      items[0].ranges.count == 1, items[0].ranges[0].count == 1
    else { return nil }
    return items[0].ranges[0].lowerBound
  }

  /// As in `Scripts/unicode-tables`.
  static let categories = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
  ]
  /// The general category of each scalar as the patterns of Hugging Face's tokenizers know it.
  static let categoryTable = ScalarTable<UInt8>(
    rest: UInt8(categories.count - 1),
    UnicodeData.words(UnicodeData.patternCategories).map { ($0.range, UInt8($0.values[0])) })

  /// The categories with that name or first letter; nil if there is none.
  static func categories(named name: String) -> UInt32? {
    var bits: UInt32 = 0
    for (i, category) in categories.enumerated() where category == name || category.prefix(1) == name {
      bits |= 1 << UInt32(i)
    }
    return bits == 0 ? nil : bits
  }

  static func item(_ names: String..., ranges: [ClosedRange<UInt32>] = []) -> Item {
    Item(categories: names.reduce(0) { $0 | (categories(named: $1) ?? 0) }, ranges: ranges)
  }

  static let space = item("Z", ranges: [0x09...0x0D, 0x85...0x85])
  static let digit = item("Nd")
  /// With the circled and squared letters, which are symbols.
  static let word = item(
    "L", "M", "Nd", "Nl", "Pc",
    ranges: [0x24B6...0x24E9, 0x1_F130...0x1_F149, 0x1_F150...0x1_F169, 0x1_F170...0x1_F189])
}

/// The sets of a compiled pattern in flat memory, for tests in hot loops.
final class PatternSets: @unchecked Sendable {
  private struct Entry {
    /// The answers for ASCII.
    var low: UInt64 = 0
    var high: UInt64 = 0
    var firstItem: Int32 = 0
    var itemCount: Int32 = 0
    var isComplement = false
  }
  private struct Item {
    var categories: UInt32
    var firstRange: Int32
    var rangeCount: Int32
    var isComplement: Bool
  }

  private let entries: UnsafeMutableBufferPointer<Entry>
  private let items: UnsafeMutableBufferPointer<Item>
  private let ranges: UnsafeMutableBufferPointer<ClosedRange<UInt32>>
  private let categories = PatternSet.categoryTable

  init(_ sets: [PatternSet]) {
    var entries: [Entry] = []
    var items: [Item] = []
    var ranges: [ClosedRange<UInt32>] = []
    for set in sets {
      var entry = Entry(firstItem: Int32(items.count), isComplement: set.isComplement)
      for c in UInt32(0)..<64 where set.contains(c) { entry.low |= 1 << UInt64(c) }
      for c in UInt32(64)..<128 where set.contains(c) { entry.high |= 1 << UInt64(c - 64) }
      for item in set.items {
        // ASCII has its answers already.
        let others = item.ranges.filter { $0.upperBound >= 0x80 }
        items.append(
          Item(
            categories: item.categories, firstRange: Int32(ranges.count), rangeCount: Int32(others.count),
            isComplement: item.isComplement))
        ranges += others
      }
      entry.itemCount = Int32(items.count) - entry.firstItem
      entries.append(entry)
    }
    self.entries = Self.copy(entries)
    self.items = Self.copy(items)
    self.ranges = Self.copy(ranges)
  }

  deinit {
    entries.deallocate()
    items.deallocate()
    ranges.deallocate()
  }

  private static func copy<T>(_ array: [T]) -> UnsafeMutableBufferPointer<T> {
    let copy = UnsafeMutableBufferPointer<T>.allocate(capacity: array.count)
    _ = copy.initialize(from: array)
    return copy
  }

  @inline(__always)
  func contains(_ set: Int, _ scalar: UInt32) -> Bool {
    let entry = entries[set]
    if scalar < 0x80 { return (scalar < 64 ? entry.low >> UInt64(scalar) : entry.high >> UInt64(scalar & 63)) & 1 != 0 }
    let category = UInt32(categories[scalar])
    var i = Int(entry.firstItem)
    let end = i &+ Int(entry.itemCount)
    while i < end {
      let item = items[i]
      var found = item.categories >> category & 1 != 0
      var range = Int(item.firstRange)
      let last = range &+ Int(item.rangeCount)
      while !found && range < last {
        found = ranges[range].contains(scalar)
        range &+= 1
      }
      if found != item.isComplement { return !entry.isComplement }
      i &+= 1
    }
    return entry.isComplement
  }
}
