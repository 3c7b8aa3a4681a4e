import { lazy, Suspense, useEffect, useState } from "react";
import { RouterProvider } from "react-aria-components";
import { Route, Switch, useLocation } from "wouter";
import { useServerEvents } from "../api/events";
import { Header } from "./header";
import { Help } from "./help";
import { useKeys } from "./keys";
import { Search } from "./search";
import { useTopOfPage } from "./top";

const Home = lazy(() => import("../pages/home"));
const Lab = lazy(() => import("../pages/lab"));
const Composer = lazy(() => import("../pages/composer"));
const Live = lazy(() => import("../pages/live"));
const Style = lazy(() => import("../pages/style"));
const Fool = lazy(() => import("../pages/fool"));
const Runs = lazy(() => import("../pages/runs"));
const Model = lazy(() => import("../pages/model"));
const Layer = lazy(() => import("../pages/layer"));
const Unit = lazy(() => import("../pages/unit"));
const Photograph = lazy(() => import("../pages/photograph"));
const Confusions = lazy(() => import("../pages/confusions"));
const MapPage = lazy(() => import("../pages/map"));

const TITLES: Record<string, string> = {
  lab: "Lab",
  composer: "Composer",
  live: "Live",
  style: "Style",
  fool: "Fool",
  runs: "Runs",
  model: "Model",
  units: "Units",
  photographs: "Photographs",
  confusions: "Confusions",
  map: "Map",
};

const back = () => window.history.back();

export function App() {
  useServerEvents();
  const [path, navigate] = useLocation();
  const [searching, setSearching] = useState(false);
  const [helping, setHelping] = useState(false);
  useKeys({
    "/": () => setSearching(true),
    "?": () => setHelping(true),
    Escape: back,
  });
  useTopOfPage(path);
  useEffect(() => {
    const title = TITLES[path.split("/")[1] ?? ""];
    document.title = title ? `${title} · convscope` : "convscope";
  }, [path]);
  return (
    <RouterProvider navigate={navigate}>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <Header onSearch={() => setSearching(true)} onHelp={() => setHelping(true)} />
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<p className="quiet waiting">Loading…</p>}>
          <Switch>
            <Route path="/" component={Home} />
            <Route path="/lab" component={Lab} />
            <Route path="/composer" component={Composer} />
            <Route path="/live" component={Live} />
            <Route path="/style" component={Style} />
            <Route path="/fool" component={Fool} />
            <Route path="/runs" component={Runs} />
            <Route path="/model" component={Model} />
            <Route path="/units" component={Layer} />
            <Route path="/units/:layer" component={Layer} />
            <Route path="/units/:layer/:channel" component={Unit} />
            <Route path="/photographs" component={Photograph} />
            <Route path="/photographs/:row" component={Photograph} />
            <Route path="/confusions" component={Confusions} />
            <Route path="/map" component={MapPage} />
            <Route>
              <div className="page">
                <h1>There is no such page</h1>
                <p>
                  <a href="/">Go to the first page.</a>
                </p>
              </div>
            </Route>
          </Switch>
        </Suspense>
      </main>
      <Search isOpen={searching} onOpenChange={setSearching} />
      <Help isOpen={helping} onOpenChange={setHelping} />
    </RouterProvider>
  );
}
