import { defineConfig } from "vite";

// The map for notebooks: one file that imports nothing.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "../src/convscope/web/static/widgets",
    emptyOutDir: true,
    lib: { entry: "src/map/widget.ts", formats: ["es"], fileName: () => "map.js" },
  },
});
