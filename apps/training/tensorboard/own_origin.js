// A page with an origin of its own has no storage, no cookies, and no workers from an address. TensorBoard does not start
// without: it gets a storage that is forgotten with the page, no cookies, and workers that load the script by themselves.
for (const name of ["localStorage", "sessionStorage"]) {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(String(key)) ?? null,
    setItem: (key, value) => void kept.set(String(key), String(value)),
    removeItem: (key) => void kept.delete(String(key)),
    clear: () => kept.clear(),
    key: (index) => [...kept.keys()][index] ?? null,
    get length() {
      return kept.size;
    },
  };
  Object.defineProperty(window, name, { value: storage });
}
Object.defineProperty(document, "cookie", { get: () => "", set: () => {} });
const AddressedWorker = window.Worker;
window.Worker = class extends AddressedWorker {
  constructor(address, options) {
    const loading = `importScripts(${JSON.stringify(new URL(address, document.baseURI).href)})`;
    super(URL.createObjectURL(new Blob([loading], { type: "text/javascript" })), options);
  }
};
