import CParquet

/// The values of a column of a block of rows, in the form in which they cross into the Parquet library.
final class ParquetColumn {
  private let type: ParquetType
  private let valid = GrowingBuffer<UInt8>()
  private let offsets = GrowingBuffer<Int64>()
  private let bytes = GrowingBuffer<UInt8>()
  private let integers = GrowingBuffer<Int64>()
  private let doubles = GrowingBuffer<Double>()
  private let children: [ParquetColumn]
  private let names: [[UInt8]]
  /// What crosses: one per child.
  private let arrays: UnsafeMutablePointer<pp_array>
  /// By child: whether the object at hand has had it.
  private var isFilled: [Bool]

  init(_ type: ParquetType) {
    self.type = type
    switch type {
    case .list(let element):
      children = [ParquetColumn(element)]
      names = []
    case .structure(let fields):
      children = fields.map { ParquetColumn($0.type) }
      names = fields.map { Array($0.name.utf8) }
    default:
      children = []
      names = []
    }
    arrays = .allocate(capacity: max(1, children.count))
    isFilled = Array(repeating: false, count: children.count)
    offsets.append(0)
  }

  deinit { arrays.deallocate() }

  var count: Int { valid.count }
  /// Bytes of all values.
  var size: Int {
    bytes.count + 8 * (integers.count + doubles.count) + valid.count + children.reduce(0) { $0 + $1.size }
  }

  func removeAll() {
    valid.removeAll()
    offsets.removeAll()
    offsets.append(0)
    bytes.removeAll()
    integers.removeAll()
    doubles.removeAll()
    for child in children { child.removeAll() }
  }

  /// Appends a text as it is.
  func append(text: UnsafeRawBufferPointer) {
    valid.append(1)
    bytes.append(contentsOf: text)
    offsets.append(Int64(bytes.count))
  }

  func appendNull() {
    valid.append(0)
    appendFiller()
    if case .structure = type { for child in children { child.appendNull() } }
  }

  /// A null takes up a place too.
  private func appendFiller() {
    switch type {
    case .text: offsets.append(Int64(bytes.count))
    case .list: offsets.append(Int64(children[0].count))
    case .integer: integers.append(0)
    case .double: doubles.append(0)
    case .truth: bytes.append(0)
    case .structure: break
    }
  }

  /// Appends a JSON value as written. What the type cannot hold becomes null; `ParquetSurvey` finds a type that holds all.
  func append(_ json: UnsafeRawBufferPointer) {
    guard json.first ?? UInt8(ascii: "n") != UInt8(ascii: "n") else { return appendNull() }
    switch type {
    case .text: append(textOf: json)
    case .truth:
      valid.append(1)
      bytes.append(json.first == UInt8(ascii: "t") ? 1 : 0)
    case .integer:
      guard case .integer(let value) = ParquetNumber(json) else { return appendNull() }
      valid.append(1)
      integers.append(value)
    case .double:
      guard let value = parseDecimal(json) else { return appendNull() }
      valid.append(1)
      doubles.append(value)
    case .list:
      guard json.first == UInt8(ascii: "[") else { return appendNull() }
      for value in JSONArraySlices(json) { children[0].append(value) }
      valid.append(1)
      offsets.append(Int64(children[0].count))
    case .structure: append(object: json)
    }
  }

  private func append(textOf json: UnsafeRawBufferPointer) {
    guard json.first == UInt8(ascii: "\""), json.count >= 2 else { return append(text: json) }
    let inside = UnsafeRawBufferPointer(rebasing: json[1..<json.count - 1])
    guard inside.contains(UInt8(ascii: "\\")) else { return append(text: inside) }
    JSONKeys.unescaped(inside).withUnsafeBytes { append(text: $0) }
  }

  private func append(object: UnsafeRawBufferPointer) {
    guard object.first == UInt8(ascii: "{") else { return appendNull() }
    valid.append(1)
    for i in isFilled.indices { isFilled[i] = false }
    var next = 0
    for (key, value) in JSONObjectSlices(object) {
      guard let place = place(of: key, expectedAt: next), !isFilled[place] else { continue }
      isFilled[place] = true
      children[place].append(value)
      next = place + 1
    }
    for (place, child) in children.enumerated() where !isFilled[place] { child.appendNull() }
  }

  private func place(of written: UnsafeRawBufferPointer, expectedAt place: Int) -> Int? {
    if place < names.count, names[place].elementsEqual(written) { return place }
    let key = JSONKeys.unescaped(written)
    return names.firstIndex(of: key)
  }

  /// Appends an object's members to columns of their own, so that each has `rows` values; members without a column are
  /// left out.
  static func append(object: UnsafeRawBufferPointer, to columns: [ParquetColumn], _ places: [[UInt8]: Int], rows: Int) {
    for (key, value) in JSONObjectSlices(object) {
      guard let place = places[JSONKeys.unescaped(key)], columns[place].count < rows else { continue }
      columns[place].append(value)
    }
    for place in places.values where columns[place].count < rows { columns[place].appendNull() }
  }

  /// The column as it crosses, valid until it changes.
  var array: pp_array {
    for (i, child) in children.enumerated() { arrays[i] = child.array }
    let values: UnsafeRawPointer =
      switch type {
      case .integer: UnsafeRawPointer(integers.start)
      case .double: UnsafeRawPointer(doubles.start)
      default: UnsafeRawPointer(bytes.start)
      }
    return pp_array(
      length: Int64(count), valid: valid.start, offsets: offsets.start, values: values, children: UnsafePointer(arrays))
  }
}

/// Values at an address that stays until more are appended.
private final class GrowingBuffer<Value: BitwiseCopyable> {
  private(set) var start: UnsafeMutablePointer<Value>
  private(set) var count = 0
  private var capacity = 64

  init() { start = .allocate(capacity: capacity) }
  deinit { start.deallocate() }

  func removeAll() { count = 0 }

  func append(_ value: Value) {
    reserve(1)
    start[count] = value
    count += 1
  }

  func append(contentsOf bytes: UnsafeRawBufferPointer) where Value == UInt8 {
    guard let from = bytes.baseAddress else { return }
    reserve(bytes.count)
    UnsafeMutableRawPointer(start + count).copyMemory(from: from, byteCount: bytes.count)
    count += bytes.count
  }

  private func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    capacity = max(capacity * 2, count + more)
    let larger = UnsafeMutablePointer<Value>.allocate(capacity: capacity)
    larger.update(from: start, count: count)
    start.deallocate()
    start = larger
  }
}
